#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>

#include "migrator/device/memory_range.h"
#include "migrator/engine/source/context/source_context.h"
#include "migrator/engine/source/context/state_window.h"
#include "migrator/engine/source/replay/replay_shards.h"

namespace cardswap {

/// The base copy of a replay. Copies each shard aside in the window between two steps, so that the
/// copy is of one step, and sends it from there. The engine's thread.
class BaseCopy {
 public:
  /// All outlive this.
  BaseCopy(SourceContext& source, StateWindow& window, ReplayShards& shards)
      : source_(source), window_(window), shards_(shards) {}

  /// Copies the next shard aside. (To send it straight from the window would hold the window open
  /// for seconds on a slow link.) False: no shard is left, or the state cannot be read now: a step
  /// is being taken, an audit reads it, or it is older than `step_min`. The entry of that step was
  /// sent without the shard's gradients, so the copy must not be older. Throws Error{no_memory,
  /// internal}.
  bool stage_next(std::uint64_t step_min);
  /// Copies shards ahead while an entry is being sent, because the window may be closed when the
  /// entry is done. Stops at the shard with which it has copied `log_bytes` bytes in all, the bytes
  /// of gradients sent so far, so that base copy and log share the link; or when 256 MiB wait to be
  /// sent. Does nothing once the program is frozen. Throws as stage_next().
  void stage_ahead(std::uint64_t step_min, std::uint64_t log_bytes);
  [[nodiscard]] bool has_staged() const { return !staged_.empty(); }
  /// Sends the oldest shard copied aside; has_staged() must be true. Call it before the next entry
  /// is taken, because entries of later steps have the shard's gradients. `between_sends` is called
  /// after each chunk. Throws as PayloadSender::send() does.
  void send_staged(const std::function<void()>& between_sends);

  /// Drops the staged copies at the freeze: these shards are sent with the rest of the frozen
  /// state.
  void drop_staged();
  /// Drops the staged copies of shards that are gone.
  void drop_gone();

  [[nodiscard]] std::uint64_t bytes_staged() const { return staged_bytes_; }
  /// Bytes that are staged or still to be copied.
  [[nodiscard]] std::uint64_t bytes_left() const {
    return staged_bytes_ + shards_.bytes_to_copy(next_shard_);
  }
  [[nodiscard]] std::uint64_t chunks_sent() const { return chunks_sent_; }

 private:
  /// A shard's bytes as of a boundary, region after region.
  struct Staged {
    std::size_t shard = 0;
    Buffer copy;
  };

  SourceContext& source_;
  StateWindow& window_;
  ReplayShards& shards_;
  std::size_t next_shard_ = 0;  // to be staged
  std::deque<Staged> staged_;
  Buffer copy_;  // for the next shard; allocated before the window is held open
  std::uint64_t staged_bytes_ = 0;
  std::uint64_t staged_so_far_ = 0;  // bytes
  std::uint64_t chunks_sent_ = 0;
};

}  // namespace cardswap
