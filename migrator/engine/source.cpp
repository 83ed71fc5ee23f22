#include "migrator/engine/source.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <stop_token>
#include <thread>
#include <utility>

#include "migrator/engine/replay.h"
#include "migrator/engine/rounds.h"
#include "migrator/engine/sender.h"

namespace cardswap {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int kResendsMax = 3;

double ms_since(Clock::time_point start) {
  return std::chrono::duration<double, std::milli>(Clock::now() - start).count();
}

}  // namespace

/// One migration's sending end, written as the straight line that it is: connect, sync by one of
/// the strategies while the program trains, then the rest of the frozen state.
class Source::Engine {
 public:
  Engine(SourceOptions options, SourceProgram& program, SourceEvents events)
      : options_(std::move(options)),
        program_(program),
        events_(std::move(events)),
        sender_(options_, program_, events_, stop_.get_token()),
        thread_([this] { run(); }) {}

  ~Engine() {
    stop_.request_stop();
    sender_.wake();
    thread_.join();
  }

  void freeze(FrozenState state) { sender_.freeze(std::move(state)); }
  void wake() { sender_.wake(); }

 private:
  void run() {
    const auto stopped = [this] { return stop_.stop_requested(); };
    try {
      sender_.connect();
      do {
        sync();
      } while (sender_.frozen() && !freeze_holds());
      if (sender_.frozen()) finish_frozen();
      sender_.progress_until(stopped);
    } catch (...) {
      replay_.reset();  // a trainer that waits for the log goes on before anything else
      if (!stopped() && events_.failed) events_.failed(named(error_of(std::current_exception())));
    }
    replay_.reset();
    sender_.close();
  }

  [[nodiscard]] Error named(const Error& error) const {
    return error.within(
        fmt::format("migration {} to {}:{}", options_.migration, options_.host, options_.port));
  }

  /// Until the program is frozen. Comes again after a freeze that was put off, and goes on then.
  void sync() {
    auto& stats = sender_.stats();
    if (!strategy_) strategy_ = plan();
    if (strategy_ == Strategy::stop_copy) {
      stats.strategy = to_string(Strategy::stop_copy);
      sender_.expect_downtime(dirty_after_a_step());
      if (options_.spec.max_downtime_ms > 0 &&
          stats.expected_downtime_ms > options_.spec.max_downtime_ms) {
        sender_.report_progress(true);
        throw Error(Code::not_converging,
                    fmt::format("stop-copy would stop the job for {:.0f} ms, {:.0f} ms are allowed",
                                stats.expected_downtime_ms, options_.spec.max_downtime_ms),
                    "allow more with --max-downtime, or let --strategy auto choose");
      }
      sender_.report_converged();
      sender_.progress_until([this] { return sender_.frozen(); });
      return;
    }
    if (strategy_ == Strategy::replay) {
      stats.strategy = to_string(Strategy::replay);
      const bool begins = !replay_;
      if (begins) replay_.emplace(sender_);
      if ((!begins || replay_->begin()) && replay_->sync()) return;
      replay_.reset();
      strategy_ = Strategy::rounds;
    }
    stats.strategy = to_string(Strategy::rounds);
    sync_by_rounds(sender_);
  }

  /// What the frozen state leaves to send may be more than when the freeze was offered: an
  /// optimizer has made its state in the very last step. False: that would take longer than is
  /// allowed, and the program was told to go on.
  bool freeze_holds() {
    const auto& frozen = sender_.frozen_state();
    const auto offered = sender_.offered_bytes();
    const auto left = replay_
                          ? replay_->bytes_left(frozen.state_view)
                          : sender_.expected_bytes() + bytes_made_since(frozen.state_view.layout);
    const auto limit = options_.spec.max_downtime_ms;
    if (events_.put_off && limit > 0 && left > offered) {
      const auto stood =
          Clock::now() - Clock::time_point(std::chrono::nanoseconds(frozen.last_step_end_ns));
      sender_.expect_downtime(left);
      const auto expected = sender_.stats().expected_downtime_ms +
                            std::chrono::duration<double, std::milli>(stood).count();
      if (expected > limit) {
        sender_.put_off_freeze(
            fmt::format("at step {}: it would have taken {:.0f} ms, {:.0f} ms are allowed, "
                        "with {} bytes left to send where {} had been expected",
                        frozen.step, expected, limit, left, offered));
        return false;
      }
    }
    if (events_.frozen) events_.frozen(frozen.step);
    return true;
  }

  [[nodiscard]] std::uint64_t bytes_made_since(const Layout& layout) const {
    if (layout == sender_.state_view().layout) return 0;
    const auto kept = kept_regions(sender_.state_view().layout, layout);
    std::uint64_t sum = 0;
    for (std::size_t i = 0; i < kept.size(); ++i) sum += kept[i] ? 0 : layout.regions()[i].bytes;
    return sum;
  }

  /// What a freeze would send of a state that was probed, not copied.
  std::uint64_t dirty_after_a_step() {
    const auto probed_at = program_.step();
    sender_.progress_until([&] { return sender_.frozen() || program_.step() > probed_at; });
    sender_.refresh(program_.state_view());
    return sender_.bytes_in(sender_.differing(sender_.scan(1)));
  }

  /// The strategy to use: the one asked for, or what predictions from a measured link say.
  Strategy plan() {
    if (options_.spec.strategy != Strategy::automatic &&
        options_.spec.strategy != Strategy::stop_copy) {
      return options_.spec.strategy;
    }
    sender_.probe_link();
    if (options_.spec.strategy == Strategy::stop_copy) return options_.spec.strategy;
    auto measured = sender_.measurements(0);
    const auto sizes = replay_sizes(sender_.state_view());
    measured.replayed_bytes = sizes.replayed_bytes;
    measured.update_bytes = sizes.update_bytes;
    return choose(predict(measured, options_.spec.max_downtime_ms));
  }

  void finish_frozen() {
    auto& stats = sender_.stats();
    const auto& frozen = sender_.frozen_state();
    stats.phase = "frozen";
    sender_.report_progress(true);
    auto start = Clock::now();
    if (replay_) replay_->finish_log(frozen.state_view);
    const bool replaying = replay_ && replay_->updates_sent() > 0;
    // A target that still replays digests when it is done, and is told so by the round's end.
    if (!replaying) sender_.send(data::FreezeBegin{});
    sender_.refresh(frozen.state_view);
    const auto now = sender_.scan(std::max(1U, std::thread::hardware_concurrency()));
    stats.freeze_scan_ms = ms_since(start);
    const auto values = digest_of(frozen.values);
    sender_.send(data::Values{frozen.step, frozen.last_step_end_ns + sender_.clock_offset_ns(),
                              sender_.clock_error_ns(), frozen.values});
    stats.bytes_in_downtime += frozen.values.size();
    stats.transferred += frozen.values.size();
    start = Clock::now();
    for (int attempt = 0;; ++attempt) {
      auto dirty = sender_.differing(now);
      if (replaying && attempt == 0) {
        std::erase_if(dirty, [this](ChunkId chunk) { return replay_->covers(chunk); });
      }
      sender_.send_round(dirty, true, replaying ? replay_->updates_sent() : 0);
      if (attempt == 0) {
        stats.freeze_send_ms = ms_since(start);
        start = Clock::now();
        stats.phase = "verify";
      }
      if (sender_.held_values() != values) {
        throw Error(Code::digest_mismatch,
                    "the standby does not hold the counters, RNG and options that were sent",
                    "its program restores a tracked value differently than it saves it");
      }
      const auto differing = sender_.differing(now).size();
      if (differing == 0) break;
      if (attempt == kResendsMax) {
        throw Error(Code::digest_mismatch,
                    fmt::format("{} chunks still differ after they were sent {} times", differing,
                                kResendsMax + 1),
                    "something else writes to the standby's memory, or the link damages bytes");
      }
    }
    const auto root = data::root_of(sender_.state_view().layout, now, values);
    sender_.send(data::Equal{root});
    sender_.progress_until([this] { return sender_.confirmed().has_value(); });
    if (*sender_.confirmed() != root) {
      throw Error(Code::digest_mismatch, "the target confirmed another state's digest");
    }
    stats.freeze_verify_ms = ms_since(start);
    stats.log_lag_bytes = 0;
    sender_.report_progress(true);
    if (events_.verified) events_.verified(root, stats);
  }

  const SourceOptions options_;
  SourceProgram& program_;
  const SourceEvents events_;
  std::stop_source stop_;
  Sender sender_;
  std::optional<Strategy> strategy_;  // in use; none: not chosen yet
  std::optional<Replay> replay_;
  std::jthread thread_;
};

Source::Source(SourceOptions options, SourceProgram& program, SourceEvents events)
    : engine_(std::make_unique<Engine>(std::move(options), program, std::move(events))) {}

Source::~Source() = default;

void Source::freeze(FrozenState state) { engine_->freeze(std::move(state)); }
void Source::stepped() { engine_->wake(); }

}  // namespace cardswap
