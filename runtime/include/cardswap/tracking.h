#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

/// What a tracked thing is to Cardswap: implemented by its adapters, and by a program for a type of
/// its own. A program that tracks what Cardswap knows needs <cardswap/session.h> alone. Only the
/// standard library.
namespace cardswap {

class Device;  // of Cardswap's own: a GPU

/// A run of bytes that belongs to the job's state.
struct TrackedRegion {
  std::string name;
  std::string dtype;
  std::string shape;
  std::span<std::byte> memory;
  const void* storage = nullptr;           ///< what is shared has one identity and is sent once
  std::shared_ptr<const void> keep_alive;  ///< holds `memory` while it is read; may be empty
  /// Moves the storage to `home`, which has as many bytes, and frees what it had; every alias and
  /// view follows. The storage holds `keep` for as long as it lives there. On a GPU the copy comes
  /// behind the program's work and nothing waits for it. Empty: it cannot be moved. Training thread
  /// only.
  std::function<void(std::byte* home, std::shared_ptr<void> keep)> relocate;
  std::shared_ptr<Device> device;  ///< of `memory`; none: this host's own
  std::uint64_t version = 0;       ///< grows with each change; 0: nobody counts
};

/// A parameter that an optimizer steps.
struct SteppedParameter {
  std::uint32_t group = 0;
  std::uint32_t index = 0;        ///< in its group
  const void* tensor = nullptr;   ///< its identity; what it shares with other names
  const void* storage = nullptr;  ///< TrackedRegion::storage of what is to be tracked
};
/// What a program's optimizer is, as far as its type tells.
struct SteppedOptimizer {
  std::string type;  ///< as typeid has it
  std::vector<SteppedParameter> parameters;
};
/// What an optimizer of type T steps; <cardswap/torch.h> knows LibTorch's.
template <class T>
struct Steppable {
  static std::vector<SteppedParameter> parameters(const T& /*optimizer*/) { return {}; }
};

/// A gradient as an optimizer's step reads it.
struct TrackedGradient {
  std::uint32_t parameter = 0;  ///< counted over the optimizer's groups
  std::span<const std::byte> memory;
  std::shared_ptr<const void> keep_alive;  ///< holds `memory`
  std::shared_ptr<Device> device;          ///< of `memory`; none: this host's own
};

/// The inputs of an optimizer's step besides the state that it rewrites.
struct TrackedUpdate {
  std::vector<std::byte> options;  ///< hyper-parameters and counters before the step
  std::vector<TrackedGradient> gradients;
};

/// An optimizer whose steps can be done again in another process: the same update on the same state
/// must give the same bytes. Training thread only.
class ReplayableOptimizer {
 public:
  virtual ~ReplayableOptimizer() = default;
  /// Whether this is the program's object `optimizer`.
  [[nodiscard]] virtual bool is(const void* optimizer) const = 0;
  /// The TrackedRegion::storage of what each parameter's update rewrites.
  [[nodiscard]] virtual std::vector<std::vector<const void*>> rewritten() = 0;
  /// The size that rewritten() had last, for each logged step: it is to cost next to nothing.
  [[nodiscard]] virtual std::size_t parameter_count() { return rewritten().size(); }
  /// What the step that is about to be taken will read. Called right before it.
  [[nodiscard]] virtual TrackedUpdate capture() = 0;
  /// Called when it is about to step and a migration is on its way: before capture(), and before a
  /// migration begins for a step at least.
  virtual void noticed() {}
  /// Takes the gradient of a parameter, counted over the optimizer's groups, ahead of capture(). If
  /// it is wanted and there is room, `copy` is called for it, at once. Any thread.
  using GradientSink = std::function<void(std::uint32_t parameter, std::uint64_t bytes,
                                          const std::function<TrackedGradient()>& copy)>;
  /// Gives `sink`, from now on, each gradient that the next step will read, as soon as it is there;
  /// an empty one ends that. It may change until capture(), which tells what the step reads: one
  /// that was given is only spared the way when it is equal, or a multiple, byte by byte.
  virtual void give_early(GradientSink /*sink*/) {}
  /// Whether its updates have gradients; a hook's carry empty ones.
  [[nodiscard]] virtual bool has_gradients() const { return true; }
  /// Steps with these gradients; parameters that have none here are left alone.
  virtual void replay(const TrackedUpdate& update) = 0;
};

/// A tracked thing's gradients, which are state where they live from one step to the next: summed
/// over several boundaries, or never dropped. Training thread only.
class TrackedGradients {
 public:
  virtual ~TrackedGradients() = default;
  // Of a source, from a migration's request on:
  /// Called when an optimizer is about to step; `tensors`, sorted, are its parameters.
  virtual void stepping(std::span<const void* const> tensors) = 0;
  /// Called when a boundary is passed. Gradients that outlived the last one belong to the state
  /// from here on; if `all`, those too that no step has used yet.
  virtual void passing(bool all) = 0;
  /// Called when the job stops at this boundary: what no step has used belongs to the state.
  virtual void keep_unused() = 0;
  // Both sides:
  /// What belongs to the state, as TrackedState::regions.
  virtual void regions(std::vector<TrackedRegion>& out) = 0;
  /// Makes room for the gradients that the source has, under these names; on a standby.
  virtual void adopt(const std::vector<std::string>& names) = 0;
  /// The bytes that tell which gradients there are.
  [[nodiscard]] virtual std::vector<std::byte> save() = 0;
  /// Takes what save() gave; throws on bytes that it did not give.
  virtual void load(std::span<const std::byte> bytes) = 0;
  /// Called when the job goes on here.
  virtual void arrived() = 0;
};

/// Something that keeps a tracked thing from being moved to another process, and what to do about
/// it.
struct TrackedObstacle {
  std::string what;
  std::string hint;
};

/// One tracked thing: tensors, values, or both. Implemented by the adapters of this library, and by
/// a program for a type of its own. Called on the training thread only, at a boundary.
class TrackedState {
 public:
  virtual ~TrackedState() = default;
  /// Appends its regions, in an order that is the same on both sides, under names of its own.
  virtual void regions(std::vector<TrackedRegion>& /*out*/) {}
  /// Appends what is no state but what the process needs to go on where it stands, gradients. Used
  /// only when the process itself is moved: then they are sent like regions.
  virtual void scratch(std::vector<TrackedRegion>& /*out*/) {}
  /// Makes or drops state that exists only after a first use, as optimizers have it: called on a
  /// standby, before anything arrives, with the regions that the source has of this thing.
  virtual void adopt(const std::vector<std::string>& /*names*/) {}
  /// Everything that is no region. Equal states must give equal bytes.
  [[nodiscard]] virtual std::vector<std::byte> save() { return {}; }
  /// Takes what save() gave; throws on bytes that it did not give.
  virtual void load(std::span<const std::byte> /*bytes*/) {}
  /// Whether loading other state may disturb this one, as with a random generator.
  [[nodiscard]] virtual bool loads_last() const { return false; }
  /// The thing itself, if it is an optimizer whose steps can be replayed.
  [[nodiscard]] virtual ReplayableOptimizer* replayable() { return nullptr; }
  /// The gradients of its tensors, if they have any.
  [[nodiscard]] virtual TrackedGradients* gradients() { return nullptr; }
  /// Appends what keeps it from being moved; called anew from the first boundary on.
  virtual void look(std::vector<TrackedObstacle>& /*obstacles*/) {}
  /// The kind of thing, for people: "module", "optimizer", "value".
  [[nodiscard]] virtual std::string kind() const { return {}; }
};

/// How a `T&` is tracked; specialise it to teach Session::track a type of your own.
template <class T>
struct Trackable;

}  // namespace cardswap
