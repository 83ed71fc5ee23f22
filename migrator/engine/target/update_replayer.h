#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <utility>

#include "migrator/engine/program.h"
#include "migrator/engine/target/replay_job.h"
#include "migrator/engine/target/update_queue.h"
#include "migrator/wire/data_messages.h"

namespace cardswap {

/// Replays updates at the target: puts them together from what lands, in any order, and does them
/// in theirs, one at a time, on a thread of its own. The engine's thread.
class UpdateReplayer {
 public:
  /// `wake` is called from that thread when is_done() becomes true. `program` outlives this.
  UpdateReplayer(TargetProgram& program, std::function<void()> wake)
      : program_(program), wake_(std::move(wake)) {}

  /// Adds an update, or a gradient ahead of its update, as UpdateQueue does.
  void add(data::Update update, std::uint64_t state_bytes);
  void add(const data::EarlyGradient& gradient, std::uint64_t state_bytes);
  void drop(const data::EarlyDropped& dropped) { queue_.drop(dropped); }
  [[nodiscard]] MemoryRange reserve(const auto& header, std::size_t bytes) {
    return queue_.reserve(header, bytes);
  }
  void on_received(const auto& header, std::size_t bytes) { queue_.on_received(header, bytes); }
  [[nodiscard]] std::optional<ReceivedUpdate> take_next(std::uint64_t base_chunks) {
    return queue_.take(base_chunks);
  }

  void begin(ReceivedUpdate update);
  [[nodiscard]] bool is_replaying() const { return job_.has_value(); }
  [[nodiscard]] bool is_done() const { return job_ && job_->is_done(); }
  /// What a replay came to.
  struct Done {
    std::uint64_t number = 0;
    double ms = 0;
    bool audit = false;
  };
  /// Ends the replay that is_done(). Throws what the program threw.
  Done finish();
  /// The number of the latest update that was replayed.
  [[nodiscard]] std::uint64_t replayed() const { return replayed_; }

  /// Starts over with a new layout, in which numbers begin at 1 again. What was received is to be
  /// settled first: the memory of its gradients goes. Throws Error{bad_request} while a gradient is
  /// landing.
  void start_over();
  /// Waits for the replay that is under way; its outcome does not count.
  void stop() { job_.reset(); }

 private:
  TargetProgram& program_;
  const std::function<void()> wake_;
  UpdateQueue queue_;
  std::uint64_t replayed_ = 0;
  std::optional<ReplayJob> job_;
};

}  // namespace cardswap
