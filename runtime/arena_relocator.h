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

/// Brings tracked storages into arenas, one a device, so that their bytes can be sent ahead of the
/// process. A storage that cannot be brought there stays with the process. Training thread only.
class ArenaRelocator {
 public:
  explicit ArenaRelocator(Tracker& tracker) : tracker_(tracker) {}

  /// An arena, and whose memory it is as this program counts devices: kHost, "cuda:0".
  struct ArenaSlot {
    std::string name;
    std::shared_ptr<Device> device;
    std::shared_ptr<Arena> arena;  ///< owners: this, and every block
    bool full = false;             ///< what does not fit stays with the process
  };
  static constexpr const char* kHost = "cpu";

  /// This host's own arena, made at the first call. Throws Error{refused} when there are no
  /// addresses.
  [[nodiscard]] Arena& arena() { return *slot_of(shared_cpu_device()).arena; }
  /// Every arena that has something.
  [[nodiscard]] std::vector<const ArenaSlot*> slots() const;

  /// Whether memory of an arena was given away and is not here.
  [[nodiscard]] bool is_away() const;

  /// Bytes of tracked state that lie in an arena or can be brought there.
  [[nodiscard]] std::uint64_t relocatable_bytes();
  /// Copies for about `limit`, and one storage at least; true when nothing is left to be copied.
  bool relocate_some(std::chrono::milliseconds limit);
  /// Copies everything, gradients included: for a process that stands.
  void relocate_all();
  /// What lies in the arenas, with its addresses; `with_scratch`, gradients too, and
  /// what the program still holds of what it tracked once. An arena's regions come behind its head,
  /// of dtype kArenaHead.
  [[nodiscard]] StateView state_view(bool with_scratch);
  /// The digest of every tracked byte and every byte in the arenas.
  [[nodiscard]] Digest digest();

 private:
  /// The arena of a device, made at the first call. Throws as arena().
  ArenaSlot& slot_of(const std::shared_ptr<Device>& device);
  [[nodiscard]] bool is_home(const TrackedRegion& region) const;
  /// Tracked memory outside the arenas, valid while the tracked things keep it.
  [[nodiscard]] std::pair<std::vector<MemoryRange>, Fence> elsewhere();
  bool relocate(bool with_scratch, std::optional<std::chrono::milliseconds> limit);

  Tracker& tracker_;
  std::vector<std::unique_ptr<ArenaSlot>> slots_;
  std::vector<std::weak_ptr<std::span<std::byte>>> blocks_;  ///< blocks; the storages own them
};

}  // namespace cardswap
