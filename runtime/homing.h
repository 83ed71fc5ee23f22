#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "migrator/device.h"
#include "migrator/layout.h"
#include "runtime/arena.h"
#include "runtime/tracker.h"

namespace cardswap {

/// Brings tracked storages into an arena, so that their bytes can be sent ahead of the process.
/// What cannot be brought there stays with the process. Training thread only.
class Homing {
 public:
  explicit Homing(Tracker& tracker) : tracker_(tracker) {}

  /// The arena, made at the first call. Throws Error{refused} when there are no addresses.
  [[nodiscard]] const std::shared_ptr<Arena>& arena();

  /// Bytes of tracked state that lie in the arena or can be brought there.
  [[nodiscard]] std::uint64_t homeable_bytes();
  /// Copies for about `limit`, and one storage at least; true when nothing is left to be copied.
  bool home_some(std::chrono::milliseconds limit);
  /// The same for everything, gradients included: for a process that stands.
  void home_all();
  /// What lies in the arena, with its addresses; `with_scratch`, gradients too.
  [[nodiscard]] Snapshot snapshot(bool with_scratch);
  /// Over every tracked byte and every byte in the arena.
  [[nodiscard]] Digest digest();

 private:
  /// Tracked memory outside the arena, valid while the tracked things keep it.
  [[nodiscard]] std::pair<std::vector<MemoryRange>, Fence> elsewhere();
  bool home(bool with_scratch, std::optional<std::chrono::milliseconds> limit);

  Tracker& tracker_;
  std::shared_ptr<Arena> arena_;  // owners: this, and every block
};

}  // namespace cardswap
