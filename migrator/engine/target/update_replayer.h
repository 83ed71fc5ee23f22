#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <utility>

#include "migrator/engine/program.h"
#include "migrator/engine/target/replay_run.h"
#include "migrator/engine/target/update_queue.h"
#include "migrator/wire/data_messages.h"

namespace cardswap {

/// Replays updates at the target: assembles them from pieces that land in any order, and replays
/// them in the order of their numbers, one at a time, each on a thread of its own. All calls on the
/// engine's thread.
class UpdateReplayer {
 public:
  /// `wake` is called from the replay's thread when is_done() becomes true. `program` outlives
  /// this.
  UpdateReplayer(TargetProgram& program, std::function<void()> wake)
      : program_(program), wake_(std::move(wake)) {}

  /// Adds an update, or an early gradient, as UpdateQueue::add() does; memory is allocated on
  /// TargetProgram::device_of(). This and the four calls below throw as UpdateQueue's do.
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

  /// Starts to replay an update; not to be called while is_replaying().
  void begin(ReceivedUpdate update);
  [[nodiscard]] bool is_replaying() const { return job_.has_value(); }
  [[nodiscard]] bool is_done() const { return job_ && job_->is_done(); }
  /// A replay that has ended.
  struct Done {
    std::uint64_t number = 0;
    double ms = 0;
    bool audit = false;
  };
  /// Takes the result when is_done(). Throws as ReplayRun::rethrow_failure() does.
  Done finish();
  /// The number of the latest update that was replayed; 0: none yet.
  [[nodiscard]] std::uint64_t replayed() const { return replayed_; }
  /// Whether no update that was added is still to be replayed.
  [[nodiscard]] bool all_are_replayed() const { return replayed_ == queue_.added(); }

  /// Starts over for a new layout, in which numbers begin at 1 again. Call
  /// PayloadReceiver::drain() first, because this releases the memory of gradients. Throws
  /// Error{bad_request} while a gradient is landing.
  void start_over();
  /// Waits for the end of the current replay and ignores its result.
  void stop() { job_.reset(); }

 private:
  TargetProgram& program_;
  const std::function<void()> wake_;
  UpdateQueue queue_;
  std::uint64_t replayed_ = 0;
  std::optional<ReplayRun> job_;
};

}  // namespace cardswap
