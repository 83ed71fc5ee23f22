#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

/// The interfaces of a tracked thing. Cardswap's adapters implement them; a program implements them
/// for its own types. A program that tracks only types that Cardswap knows needs
/// <cardswap/session.h> alone. Needs only the standard library.
namespace cardswap {

class Device;  // internal to Cardswap: a GPU

/// A run of bytes that belongs to the job's state.
struct TrackedRegion {
  std::string name;   ///< unique within its thing; empty: the thing's own name
  std::string dtype;  ///< any text; must be the same on both sides
  std::string shape;  ///< any text; must be the same on both sides
  std::span<std::byte> memory;
  /// Identity of the memory: regions with the same one are sent once. Null: not shared.
  const void* storage = nullptr;
  std::shared_ptr<const void> keep_alive;  ///< keeps `memory` valid while it is read; may be empty
  /// Moves the storage to `home`, which has the same size, and frees its old memory; every alias
  /// and view follows. The storage holds `keep` as long as it lives at `home`. On a GPU the copy is
  /// queued after the program's work, and nothing waits for it. Empty: the storage cannot be moved.
  /// Training thread only.
  std::function<void(std::byte* home, std::shared_ptr<void> keep)> relocate;
  std::shared_ptr<Device> device;  ///< where `memory` is; null: in this host's memory
  std::uint64_t version = 0;       ///< grows with each change; 0: changes are not counted
};

/// A parameter that an optimizer steps.
struct SteppedParameter {
  std::uint32_t group = 0;
  std::uint32_t index = 0;        ///< in its group
  const void* tensor = nullptr;   ///< identity of the parameter
  const void* storage = nullptr;  ///< TrackedRegion::storage of its region, if it is tracked
};
/// An optimizer that a program steps, whether it is tracked or not.
struct SteppedOptimizer {
  std::string type;  ///< its name in typeid
  std::vector<SteppedParameter> parameters;
};
/// Lists the parameters of an optimizer of type T; here: none. <cardswap/torch.h> specialises it
/// for LibTorch's optimizers.
template <class T>
struct Steppable {
  static std::vector<SteppedParameter> parameters(const T& /*optimizer*/) { return {}; }
};

/// A gradient as an optimizer's step reads it.
struct TrackedGradient {
  std::uint32_t parameter = 0;  ///< its number, counted over all groups of the optimizer
  std::span<const std::byte> memory;
  std::shared_ptr<const void> keep_alive;  ///< keeps `memory` valid
  std::shared_ptr<Device> device;          ///< where `memory` is; null: in this host's memory
};

/// The inputs of an optimizer's step, except the state that the step rewrites.
struct TrackedUpdate {
  std::vector<std::byte> options;  ///< hyper-parameters and counters before the step
  std::vector<TrackedGradient> gradients;
};

/// An optimizer whose steps can be repeated in another process: the same update of the same state
/// must give the same bytes. Training thread only. An exception fails the migration, not the loop.
class ReplayableOptimizer {
 public:
  virtual ~ReplayableOptimizer() = default;
  /// Whether this describes the program's object at `optimizer`.
  [[nodiscard]] virtual bool is(const void* optimizer) const = 0;
  /// The TrackedRegion::storage of all that each parameter's update rewrites, for the parameters of
  /// all groups.
  [[nodiscard]] virtual std::vector<std::vector<const void*>> rewritten() = 0;
  /// The size of the latest rewritten(). Called at each logged step, so it must be cheap.
  [[nodiscard]] virtual std::size_t parameter_count() { return rewritten().size(); }
  /// The inputs of the step that is about to be taken. Called right before that step.
  [[nodiscard]] virtual TrackedUpdate capture() = 0;
  /// Called when the optimizer is about to step while a migration is under way. It is called before
  /// capture(), and for at least one step before the first capture().
  virtual void before_step() {}
  /// Receives a gradient before capture() does. `parameter` is its number, counted over all groups
  /// of the optimizer. If the gradient is wanted and there is room, the sink calls `copy` before it
  /// returns. Any thread.
  using GradientSink = std::function<void(std::uint32_t parameter, std::uint64_t bytes,
                                          const std::function<TrackedGradient()>& copy)>;
  /// Gives `sink`, from now on, each gradient that the next step will read, as soon as the gradient
  /// is computed; an empty sink ends this, and must not throw. A gradient may still change until
  /// capture(), which decides what the step reads: if the captured gradient equals the early one,
  /// or is a multiple of it, its bytes are not sent again.
  virtual void give_early(GradientSink /*sink*/) {}
  /// Whether its updates have gradients. False for a hook, whose updates carry an empty one.
  [[nodiscard]] virtual bool has_gradients() const { return true; }
  /// Takes a step with these options and gradients. A parameter without a gradient stays as it is.
  virtual void replay(const TrackedUpdate& update) = 0;
};

/// The gradients of a tracked thing. A gradient belongs to the state if it lives from one step to
/// the next, because it is summed over several boundaries or never dropped. Training thread only.
class TrackedGradients {
 public:
  virtual ~TrackedGradients() = default;
  // On a source, from the request of a migration on:
  /// Called when an optimizer is about to step. `tensors` are its SteppedParameter::tensor, sorted.
  virtual void before_step(std::span<const void* const> tensors) = 0;
  /// Called at each boundary. Gradients that have lived since the last boundary belong to the state
  /// from now on; if `all`, so do gradients that no step has used yet.
  virtual void on_boundary(bool all) = 0;
  /// Called when the job stops at this boundary: gradients that no step has used belong to the
  /// state.
  virtual void keep_unused() = 0;
  // On both sides:
  /// Appends the gradients that belong to the state, as TrackedState::regions() does. Throws if one
  /// of them cannot be sent.
  virtual void regions(std::vector<TrackedRegion>& out) = 0;
  /// Makes room, on a standby, for the source's gradients. `names` are their regions' names.
  virtual void adopt(const std::vector<std::string>& names) = 0;
  /// Bytes that say which of the gradients exist.
  [[nodiscard]] virtual std::vector<std::byte> save() = 0;
  /// Restores what save() returned; throws on other bytes.
  virtual void load(std::span<const std::byte> bytes) = 0;
  /// Called when the job goes on in this process: forgets what is known of the source's gradients.
  /// Must not throw.
  virtual void on_arrived() = 0;
};

/// A reason why a tracked thing cannot be moved to another process.
struct TrackedObstacle {
  std::string what;
  std::string hint;  ///< what to do about it; may be empty
};

/// One tracked thing: tensors, values, or both. Called on the training thread only: at boundaries,
/// in Session::state_digest(), and regions() in after_step() and track_parts() too. An exception at
/// a boundary fails the migration, not the loop.
class TrackedState {
 public:
  virtual ~TrackedState() = default;
  /// Appends its regions, in an order that is the same on both sides.
  virtual void regions(std::vector<TrackedRegion>& /*out*/) {}
  /// Appends memory that is not state but that the running process still needs, such as gradients.
  /// Used only when the process itself is moved: this memory is then sent like regions.
  virtual void scratch(std::vector<TrackedRegion>& /*out*/) {}
  /// Makes or drops state that exists only after a first use, as optimizers have it. Called on a
  /// standby before anything arrives. `names` are the region names of this thing on the source.
  virtual void adopt(const std::vector<std::string>& /*names*/) {}
  /// The state that is not in regions, 32 MiB at most. Equal states must give equal bytes.
  [[nodiscard]] virtual std::vector<std::byte> save() { return {}; }
  /// Restores what save() returned; throws on other bytes.
  virtual void load(std::span<const std::byte> /*bytes*/) {}
  /// Whether it must be loaded after all others, because loading them may change it. True for
  /// random generators.
  [[nodiscard]] virtual bool loads_last() const { return false; }
  /// The optimizer, if this is one whose steps can be replayed; else null. Owned by this object.
  [[nodiscard]] virtual ReplayableOptimizer* replayable() { return nullptr; }
  /// The gradients of its tensors, if they can have any; else null. Owned by this object.
  [[nodiscard]] virtual TrackedGradients* gradients() { return nullptr; }
  /// Appends the reasons why it cannot be moved now. Called at the first boundary, and again when a
  /// migration begins or the state is listed.
  virtual void look(std::vector<TrackedObstacle>& /*obstacles*/) {}
  /// The kind of thing, for people: "module", "optimizer", "value".
  [[nodiscard]] virtual std::string kind() const { return {}; }
};

/// Makes the TrackedState of a `T&`: `static std::unique_ptr<TrackedState> make(T&)`. Specialise it
/// to make Session::track() accept a type of your own.
template <class T>
struct Trackable;

}  // namespace cardswap
