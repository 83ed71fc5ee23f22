#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "cardswap/tracking.h"
#include "migrator/core/layout.h"
#include "migrator/core/wire_reader.h"
#include "migrator/engine/state_view.h"
#include "migrator/engine/update.h"

namespace cardswap {

/// What a job's state consists of, in the order in which it was tracked, each storage once.
/// Training thread only.
class Tracker {
 public:
  static constexpr std::size_t kValueBytesMax = 32U << 20;   ///< of one thing
  static constexpr std::size_t kValuesBytesMax = 47U << 20;  ///< of all

  /// A tracked thing.
  struct Entry {
    std::string name;
    std::unique_ptr<TrackedState> state;
    const void* thing = nullptr;  ///< the program's object; none: not known
    std::string type;             ///< its, as typeid has it
  };

  /// Throws Error{bad_request} on an empty or repeated name.
  void add(std::string_view name, std::unique_ptr<TrackedState> state, const void* thing = nullptr,
           std::string type = {});
  /// Notes that `thing` is tracked as what these names stand for. Throws Error{bad_request}.
  void add_parts(const void* thing, const std::vector<std::string>& names);
  [[nodiscard]] const std::vector<Entry>& entries() const { return entries_; }
  /// Whether the program's object was tracked, by itself or in parts.
  [[nodiscard]] bool is_tracked(const void* thing) const;

  /// TrackedRegion::storage of everything that the tracked thing `name` has. Throws
  /// Error{bad_request} when there is none.
  [[nodiscard]] std::vector<const void*> storages_of(std::string_view name) const;

  [[nodiscard]] StateView state_view();
  /// The regions, each storage once, with its whole name; then, if asked for, what is no state but
  /// needed by a process that goes on where it stands.
  [[nodiscard]] std::vector<TrackedRegion> regions(bool with_scratch);
  /// Makes or drops lazily made state to match `wanted`, and gives what is there now.
  [[nodiscard]] StateView adopt(const Layout& wanted);
  /// The bytes of everything that is no region, as one block.
  [[nodiscard]] std::vector<std::byte> save();
  /// Throws Error{layout_differs, bad_request} when the block is not of these things.
  void load(std::span<const std::byte> block);
  /// What each trainable parameter's update rewrites, by state_view()'s regions.
  [[nodiscard]] std::vector<Shard> shards();
  /// Takes a gradient as ReplayableOptimizer's sink does, of any tracked optimizer.
  using GradientSink = std::function<void(ParameterId parameter, std::uint64_t bytes,
                                          const std::function<CapturedGradient()>& copy)>;
  /// Has `sink` given each gradient as soon as it is there; an empty one ends that.
  void give_early(const GradientSink& sink);
  /// What `optimizer` is about to read; none for one that is not tracked or cannot be replayed.
  [[nodiscard]] std::optional<UpdateEntry> capture(const void* optimizer);
  /// Throws Error{bad_request} for an optimizer that is not there.
  void replay(const ReceivedUpdate& update);
  /// Names of what two blocks of save() have otherwise; gradients, which follow what is tracked,
  /// are regions. Any thread. Throws Error{layout_differs, bad_request} when they are of other
  /// things.
  [[nodiscard]] static std::vector<std::string> differing_values(std::span<const std::byte> one,
                                                                 std::span<const std::byte> other);
  /// The digest of every tracked byte, gradients excepted: an undisturbed run cannot tell which are
  /// state.
  [[nodiscard]] Digest digest();

  // Of a source, and of a standby that has become the job: TrackedGradients.
  void stepping(const void* optimizer, std::span<const void* const> tensors);
  void passing(bool all_gradients);
  void keep_unused_gradients();
  void arrived();

 private:
  /// An optimizer whose updates are logged, and what the log calls it and its parameters by.
  struct ReplaySlot {
    ReplayableOptimizer* optimizer = nullptr;
    std::uint32_t index = 0;
    std::uint32_t first_parameter = 0;
    std::uint32_t parameters = 0;
  };
  template <class Is>
  [[nodiscard]] std::optional<ReplaySlot> find_replayable(Is is) const;

  [[nodiscard]] StateView collect(bool with_gradients);
  [[nodiscard]] std::vector<std::byte> values(bool with_gradients);
  void load_gradients(wire::WireReader& reader);

  std::vector<Entry> entries_;
  Layout layout_;  ///< as the latest state_view() had it: equal ones are one
  std::vector<const void*> in_parts_;
};

}  // namespace cardswap
