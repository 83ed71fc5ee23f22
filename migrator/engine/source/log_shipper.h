#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <span>

#include "migrator/engine/source/early_sender.h"
#include "migrator/engine/source/gradient_forecast.h"
#include "migrator/engine/source/replay_units.h"
#include "migrator/engine/source/source_context.h"
#include "migrator/engine/source/update_log.h"

namespace cardswap {

/// Ships the update log of a replay. It sends each entry with the gradients of the shards that the
/// target follows, releases the entries that the target has replayed, and bounds the waiting ones.
/// The engine's thread.
class LogShipper {
 public:
  /// All outlive this.
  LogShipper(SourceContext& source, UpdateLog& log, const ReplayUnits& units)
      : source_(source), log_(log), units_(units), early_(source, log, units) {}

  /// Begins before the program has the log, whose very next step appends. `update_bytes`: gradients
  /// of one step, if all parameters have one.
  void begin(std::uint64_t update_bytes);
  /// Sends an entry. `base_chunks`: how many chunks of the base copy the target is to have before
  /// it replays the entry. `between_sends` is called between any two payloads.
  void send(UpdateEntry entry, std::uint64_t base_chunks,
            const std::function<void()>& between_sends);
  /// Makes room for what the target has replayed by now.
  void release_replayed();

  /// Sends gradients ahead of their entries from here on, or not any more.
  void set_early(bool on);
  /// Sends a piece of one. False: there is none.
  bool send_early_piece();
  /// Drops what was sent ahead and no entry has had: before another layout, and at the end.
  void drop_early() { early_.drop_all(); }

  /// Everything except window_wait_ms and the audit's counts, which ReplaySync adds.
  [[nodiscard]] const ReplayStats& stats() const { return stats_; }
  /// How many updates were sent; they are numbered from 1 on.
  [[nodiscard]] std::uint64_t updates_sent() const { return sent_; }
  [[nodiscard]] bool all_are_replayed() const {
    return source_.connection.answers().replayed.number >= sent_;
  }
  /// The bytes of state that take the link as long as a byte of gradients, as it was packed. They
  /// pack otherwise: those of bfloat16 weights are half zeros. 1 while nothing was sent.
  [[nodiscard]] double state_bytes_per_gradient_byte() const;
  /// What the entries that were sent had, of all optimizers together.
  [[nodiscard]] const GradientForecast& gradients() const { return gradients_; }

 private:
  /// An update that the target has not replayed yet.
  struct Unacknowledged {
    std::uint64_t update = 0;
    std::uint64_t bytes = 0;
  };
  void bound(std::uint64_t update_bytes);
  /// A gradient of an entry on its way, or what is left of it.
  struct Outgoing {
    CapturedGradient gradient;
    std::uint64_t early = 0;  ///< its number, if it went ahead; 0: it did not
    std::uint64_t sent = 0;   ///< bytes that did
    std::uint8_t element_size = 1;
  };
  void send_gradients(std::uint64_t update, std::span<const Outgoing> gradients, const Fence& after,
                      const std::function<void()>& between_sends);

  SourceContext& source_;
  UpdateLog& log_;
  const ReplayUnits& units_;
  std::uint64_t sent_ = 0;
  std::uint64_t noted_ = 0;  // the latest update whose time at the target was noted
  GradientForecast gradients_;
  std::uint64_t wire_bytes_ = 0;  // that the gradients sent took
  std::uint64_t room_ = 0;        // for gradients, where the program trains
  std::deque<Unacknowledged> unacknowledged_;
  bool goes_early_ = false;
  std::uint64_t went_early_at_ = 0;  // the latest step when that was looked at
  EarlySender early_;
  ReplayStats stats_;
};

}  // namespace cardswap
