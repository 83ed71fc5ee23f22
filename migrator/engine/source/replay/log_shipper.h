#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <span>

#include "migrator/engine/source/context/source_context.h"
#include "migrator/engine/source/replay/early_sender.h"
#include "migrator/engine/source/replay/gradient_forecast.h"
#include "migrator/engine/source/replay/replay_shards.h"
#include "migrator/engine/source/replay/update_log.h"
#include "migrator/engine/source/sending/sync_figures.h"

namespace cardswap {

/// Sends the update log of a replay: each entry with the gradients of the shards that the target
/// replays. Releases entries that the target has replayed, and bounds the bytes that wait. The
/// engine's thread. Calls that send throw as PayloadSender::send() does.
class LogShipper {
 public:
  /// All outlive this.
  LogShipper(SourceContext& source, UpdateLog& log, const ReplayShards& shards)
      : source_(source), log_(log), shards_(shards), early_(source, log, shards) {}

  /// Sets the log's bounds. Call it before the program gets the log, because its next step appends.
  /// `update_bytes`: ReplaySizes::update_bytes.
  void begin(std::uint64_t update_bytes);
  /// Sends an entry. `base_chunks`: how many chunks of the base copy the target must have before it
  /// replays the entry. `between_sends` is called after each payload. If the log is empty then,
  /// waits until the link has sent everything.
  void send(UpdateEntry entry, std::uint64_t base_chunks,
            const std::function<void()>& between_sends);
  /// Releases the entries that the target has replayed by now from the log.
  void release_replayed();

  /// Whether gradients are sent early, ahead of their entries, from now on. Takes effect when
  /// `on` changes, else at most once in each step: the set of shards that the target replays may
  /// have changed.
  void set_early(bool on);
  /// Sends a piece of an early gradient. False: there is none.
  bool send_early_piece();
  /// Drops early gradients whose entry has not come: before the layout changes, and at the end.
  void drop_early() { early_.drop_all(); }

  /// The figures of the replay, without window_wait_ms and the audit's counts, which ReplaySync
  /// adds.
  [[nodiscard]] const ReplayStats& stats() const { return stats_; }
  /// How many updates were sent; they are numbered from 1 on.
  [[nodiscard]] std::uint64_t updates_sent() const { return updates_sent_; }
  [[nodiscard]] bool all_are_replayed() const {
    return source_.connection.answers().replayed.number >= updates_sent_;
  }
  /// How many bytes of state the link sends in the time of one byte of gradients. The two compress
  /// differently: half of the gradients of bfloat16 weights is zeros. 1 while nothing was sent.
  [[nodiscard]] double state_bytes_per_gradient_byte() const;
  /// The forecast from the entries sent so far, of all optimizers together.
  [[nodiscard]] const GradientForecast& gradients() const { return gradients_; }

 private:
  /// An update that the target has not replayed yet.
  struct Unacknowledged {
    std::uint64_t update = 0;
    std::uint64_t bytes = 0;
  };
  void bound(std::uint64_t update_bytes);
  /// A gradient of the entry being sent.
  struct Outgoing {
    CapturedGradient gradient;
    std::uint64_t early = 0;  ///< data::EarlyGradient::number; 0: not sent early
    std::uint64_t sent = 0;   ///< bytes that were sent early
    std::uint8_t element_bytes = 1;
  };
  void send_gradients(std::uint64_t update, std::span<const Outgoing> gradients, const Fence& after,
                      const std::function<void()>& between_sends);

  SourceContext& source_;
  UpdateLog& log_;
  const ReplayShards& shards_;
  std::uint64_t updates_sent_ = 0;
  std::uint64_t noted_ = 0;  // the latest update whose replay_ms was noted
  GradientForecast gradients_;
  std::uint64_t wire_bytes_ = 0;  // on the wire, for gradients sent with their entries
  std::uint64_t room_ = 0;        // room_for_gradients()
  std::deque<Unacknowledged> unacknowledged_;
  bool goes_early_ = false;
  std::uint64_t went_early_at_ = 0;  // the latest step at which set_early() took effect
  EarlySender early_;
  ReplayStats stats_;
};

}  // namespace cardswap
