#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "migrator/core/layout.h"
#include "migrator/device/arena.h"
#include "migrator/device/device.h"
#include "migrator/engine/state_view.h"
#include "runtime/tracker.h"

namespace cardswap {

/// Moves tracked storages into arenas, one arena for each device, so that their bytes can be sent
/// before the process itself is moved. A storage for which an arena has no room stays with the
/// process. Training thread only, except is_away(): any thread, while the training thread is
/// parked.
class ArenaRelocator {
 public:
  explicit ArenaRelocator(Tracker& tracker) : tracker_(tracker) {}

  /// An arena and its device.
  struct ArenaSlot {
    std::string name;  ///< of the device, as this program counts devices: kHost, or "cuda:0"
    std::shared_ptr<Device> device;
    std::shared_ptr<Arena> arena;  ///< owners: this, and every block
    bool full = false;             ///< the device had no memory: only relocate_all() tries again
  };
  static constexpr const char* kHost = "cpu";

  /// The arena in this host's memory, made at the first call. Throws Error{refused} if there are no
  /// free addresses.
  [[nodiscard]] Arena& arena() { return *slot_of(shared_cpu_device()).arena; }
  /// Every arena that has memory.
  [[nodiscard]] std::vector<const ArenaSlot*> slots() const;

  /// Whether the memory of an arena was given away and is not mapped here.
  [[nodiscard]] bool is_away() const;

  /// Bytes of tracked state that lie in an arena or can be moved into one.
  [[nodiscard]] std::uint64_t relocatable_bytes();
  /// Moves storages for about `limit`, at least one. True: none is left to be moved, except those
  /// that do not fit. Throws Error{refused} if a device can have no arena, Error{io, internal}, and
  /// what the program's regions() and relocate() throw.
  bool relocate_some(std::chrono::milliseconds limit);
  /// Moves all storages, those of gradients too. For a process that is parked. Throws as above.
  void relocate_all();
  /// The state that lies in the arenas, with its addresses. With `with_scratch`: also gradients,
  /// and blocks that the program still holds but tracks no more. The regions of an arena follow its
  /// head, whose dtype is kArenaHead.
  [[nodiscard]] StateView state_view(bool with_scratch);
  /// The digest of every tracked byte and every byte in the arenas. Waits; uses every core.
  [[nodiscard]] Digest digest();

 private:
  /// The arena of a device, made at the first call. Throws as arena().
  ArenaSlot& slot_of(const std::shared_ptr<Device>& device);
  [[nodiscard]] bool is_home(const TrackedRegion& region) const;
  /// Tracked memory outside the arenas; valid as long as the tracked things keep it.
  [[nodiscard]] std::pair<std::vector<MemoryRange>, Fence> elsewhere();
  bool relocate(bool with_scratch, std::optional<std::chrono::milliseconds> limit);

  Tracker& tracker_;
  std::vector<std::unique_ptr<ArenaSlot>> slots_;
  std::vector<std::weak_ptr<std::span<std::byte>>> blocks_;  ///< the storages own them
};

}  // namespace cardswap
