#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

#include "migrator/core/liveness_timer.h"
#include "migrator/core/planner.h"
#include "migrator/core/rate.h"
#include "migrator/engine/compressor.h"
#include "migrator/engine/source.h"
#include "migrator/engine/staging.h"
#include "migrator/link/link.h"
#include "migrator/wire/messages.h"

namespace cardswap {

/// What a source's strategies share: the line to the target, the state as both sides cut it into
/// chunks, which digests the target holds, and the figures.
///
/// Used by the engine's thread; freeze() and wake() by any. Every call that waits keeps the line
/// alive and throws Error when the migration was cancelled, refused or the target is gone.
class Sender final : private LinkEvents {
 public:
  using Clock = std::chrono::steady_clock;

  Sender(const SourceOptions& options, SourceProgram& program, const SourceEvents& events,
         std::stop_token stop);
  ~Sender() override;

  void freeze(FrozenState state);
  void wake();

  // ---- the line
  /// Connects and agrees on the layout; `strategy` says whether to ask what the target holds.
  void connect();
  template <class Condition>
  void progress_until(Condition until, std::chrono::milliseconds poll = kHeartbeat) {
    while (!until()) progress_once(Clock::now() + poll);
  }
  /// One wait: moves bytes, delivers what came, sends a heartbeat when one is due.
  void progress_once(Clock::time_point deadline);
  void send(const data::Message& message);
  /// Waits for room on the line and under the cap first; `ignore_cap`: also while frozen.
  /// `element`: bytes of one of the payload's elements, for packing it on a slow link.
  void send_payload(const data::BulkHeader& header, Fetched fetched, std::uint8_t element,
                    bool ignore_cap);
  /// Payloads of the chunk's size at most, to be fetched from their devices behind `after`.
  [[nodiscard]] ReadAhead read_ahead(Fence after);
  /// The next of `ahead`, when it is there.
  [[nodiscard]] Fetched await(ReadAhead& ahead);
  void wait_until_payloads_are_sent();
  void note_rate();
  [[nodiscard]] bool frozen() const { return frozen_.has_value(); }
  [[nodiscard]] const FrozenState& frozen_state() const { return *frozen_; }
  /// The program goes on instead of standing for longer than allowed; report_converged() offers the
  /// next freeze.
  void put_off_freeze(const std::string& why);
  /// Says goodbye if there is anybody to hear it, and lets go of the link.
  void close() noexcept;

  // ---- the state
  /// Whether the program has passed a boundary since snapshot().
  [[nodiscard]] bool has_news() const { return program_.step() != state_view_.step; }
  /// Takes the program's memory as of now; tells the target when it is another layout, and then
  /// returns true: nothing is held any more.
  bool refresh(StateView now);
  /// The same for a target that replays updates: it takes the other layout behind `updates` of them
  /// and as many chunks of the base copy, and keeps what both layouts have.
  void amend(StateView now, std::uint64_t updates, std::uint64_t base_chunks);
  [[nodiscard]] const StateView& state_view() const { return state_view_; }
  [[nodiscard]] const std::vector<ChunkSpan>& chunks() const { return chunks_; }
  std::vector<Digest> scan(unsigned threads);
  /// By chunk: the digest of what the target holds, if it said so.
  std::vector<std::optional<Digest>>& held() { return held_; }
  [[nodiscard]] std::vector<ChunkId> differing(const std::vector<Digest>& now) const;
  [[nodiscard]] std::uint64_t bytes_in(const std::vector<ChunkId>& chunks) const;
  /// Sends `chunks` and waits until the target has digested what landed. While the program trains,
  /// a freeze cuts the round short: the frozen scan finds what was left out.
  void send_round(const std::vector<ChunkId>& chunks, bool final, std::uint64_t updates = 0);

  // ---- what the target said
  [[nodiscard]] const std::optional<Digest>& held_values() const { return held_values_; }
  [[nodiscard]] const std::optional<Digest>& confirmed() const { return confirmed_; }
  [[nodiscard]] const data::Replayed& replayed() const { return replayed_; }
  [[nodiscard]] const std::optional<data::Audited>& audited() const { return audited_; }

  // ---- figures
  MigrationStats& stats() { return stats_; }
  void report_progress(bool always);
  /// What a strategy has to say to people, in place of what it said before.
  void tell(std::string note);
  /// What a freeze would cost now, with `dirty_bytes` to send and `replay_ms` of replaying.
  void expect_downtime(std::uint64_t dirty_bytes, double replay_ms = 0);
  /// `dirty_bytes` of the latest expect_downtime(), and of the one when a freeze was offered.
  [[nodiscard]] std::uint64_t expected_bytes() const { return expected_bytes_; }
  [[nodiscard]] std::uint64_t offered_bytes() const { return offered_bytes_; }
  [[nodiscard]] Measurements measurements(std::uint64_t dirty_bytes, double replay_ms = 0) const;
  /// Measures the link with the state's first chunks, until enough went over to tell.
  void probe_link();
  void report_converged();
  [[nodiscard]] const SourceOptions& options() const { return options_; }
  [[nodiscard]] SourceProgram& program() { return program_; }
  /// Bytes of state a second, packed or not; under the cap.
  [[nodiscard]] double link_rate() const;
  [[nodiscard]] std::uint8_t element_of(RegionId region) const;
  [[nodiscard]] std::int64_t clock_offset_ns() const { return clock_offset_ns_; }
  [[nodiscard]] std::int64_t clock_error_ns() const { return best_round_trip_ns_.value_or(0) / 2; }

 private:
  static constexpr std::chrono::milliseconds kHeartbeat{500};

  void on_control(PeerId peer, std::span<const std::byte> bytes) override;
  std::span<std::byte> place_for(PeerId, std::span<const std::byte>, std::size_t) override;
  void on_landed(PeerId, std::span<const std::byte>, std::size_t) override {}
  void on_lost(PeerId, std::string_view why) override;
  void take_held(data::Held held);
  void take_pong(const data::Pong& pong);

  [[nodiscard]] std::string peer() const;
  [[nodiscard]] bool want_held() const { return options_.spec.strategy != Strategy::stop_copy; }
  void note_card_path();
  void await_layout_answer();
  void wait_for_a_slot(bool ignore_cap);
  void take_freeze_request();
  [[nodiscard]] double bare_link_rate() const;

  const SourceOptions& options_;
  SourceProgram& program_;
  const SourceEvents& events_;
  const std::stop_token stop_;

  std::mutex mutex_;  // guards the next two
  std::optional<FrozenState> freeze_request_;
  std::unique_ptr<Link> link_;  // set and reset by the engine's thread, which reads it unlocked
  std::optional<Stagings> stagings_;  // of link_

  std::optional<FrozenState> frozen_;
  StateView state_view_;
  std::vector<ChunkSpan> chunks_;
  std::vector<std::optional<Digest>> held_;
  std::optional<Digest> held_values_;
  std::optional<std::uint32_t> accepted_;
  std::optional<std::uint32_t> answered_round_;
  bool answered_final_ = false;
  std::optional<Digest> confirmed_;
  data::Replayed replayed_;
  std::optional<data::Audited> audited_;
  std::optional<Error> refused_;
  std::string strategy_note_;
  std::string put_off_note_;
  bool converged_ = false;
  std::uint64_t expected_bytes_ = 0;
  std::uint64_t offered_bytes_ = 0;
  std::uint32_t rounds_sent_ = 0;
  LivenessTimer liveness_;
  Clock::time_point ping_due_{};
  Clock::time_point progress_due_{};
  std::uint64_t pongs_ = 0;
  std::optional<std::int64_t> best_round_trip_ns_;
  std::int64_t clock_offset_ns_ = 0;
  RateCap cap_;
  RateMeter rate_;  // of bytes on the wire
  Compressor compressor_;
  RateMeter digest_rate_;
  Clock::time_point busy_since_{};
  std::uint64_t busy_bytes_ = 0;
  MigrationStats stats_;
};

}  // namespace cardswap
