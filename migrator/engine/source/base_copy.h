#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>

#include "migrator/device/memory_range.h"
#include "migrator/engine/source/replay_units.h"
#include "migrator/engine/source/source_context.h"
#include "migrator/engine/source/state_window.h"

namespace cardswap {

/// The base copy of a replay: copies each shard aside in the window between two steps, so that it
/// is consistent as of one step, and sends it from there. The engine's thread.
class BaseCopy {
 public:
  /// All outlive this.
  BaseCopy(SourceContext& source, StateWindow& window, ReplayUnits& units)
      : source_(source), window_(window), units_(units) {}

  /// Copies the next shard aside: at a slow link's pace the window would be held open for seconds.
  /// False: no shard is left, or none can be copied now. `step_min`: an entry of that step has gone
  /// without the shard's gradients, so the copy must not be older.
  bool stage_next(std::uint64_t step_min);
  /// Copies shards ahead while an entry is on the link: then the window may be open, and when the
  /// entry is done it may not. So many shards are copied as keep the base copy's share of the link:
  /// no more than the `log_bytes` that were sent of gradients.
  void stage_ahead(std::uint64_t step_min, std::uint64_t log_bytes);
  [[nodiscard]] bool has_staged() const { return !staged_.empty(); }
  /// Sends the oldest shard copied aside. Before the next entry is taken: entries of steps after
  /// the copy have the shard's gradients. `between_sends` is called between any two chunks.
  void send_staged(const std::function<void()>& between_sends);

  /// Drops what was staged and not sent, at the freeze: it goes with the rest of the frozen state.
  void drop_staged();
  /// Drops units that are gone: they need no sending.
  void drop_gone();

  [[nodiscard]] std::uint64_t bytes_staged() const { return staged_bytes_; }
  [[nodiscard]] std::uint64_t bytes_left() const {
    return staged_bytes_ + units_.bytes_to_copy(next_unit_);
  }
  [[nodiscard]] std::uint64_t chunks_sent() const { return chunks_sent_; }

 private:
  /// A shard's bytes as of a boundary, region after region.
  struct Staged {
    std::size_t unit = 0;
    Buffer copy;
  };

  SourceContext& source_;
  StateWindow& window_;
  ReplayUnits& units_;
  std::size_t next_unit_ = 0;  // to be staged
  std::deque<Staged> staged_;
  Buffer copy_;  // for the next shard; allocated before the window is held open
  std::uint64_t staged_bytes_ = 0;
  std::uint64_t staged_so_far_ = 0;  // bytes
  std::uint64_t chunks_sent_ = 0;
};

}  // namespace cardswap
