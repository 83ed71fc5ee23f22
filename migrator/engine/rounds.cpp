#include "migrator/engine/rounds.h"

#include <fmt/format.h>

#include <algorithm>

#include "migrator/core/planner.h"

namespace cardswap {
namespace {

// As hypervisors do it: 20 % first, 10 % more at each round that is no help.
constexpr std::uint32_t kThrottleFirstPct = 20;
constexpr std::uint32_t kThrottleMorePct = 10;
constexpr std::uint32_t kThrottleMostPct = 99;

void throttle_more(Sender& sender) {
  auto& pct = sender.stats().throttle_pct;
  pct = pct == 0 ? kThrottleFirstPct : std::min(pct + kThrottleMorePct, kThrottleMostPct);
  sender.program().throttle(pct / 100.0);
}

/// The job goes on where it is: whoever set the limit would rather have that than wait.
[[noreturn]] void give_up(Sender& sender) {
  const auto& stats = sender.stats();
  const auto limit = sender.options().spec.max_downtime_ms;
  sender.report_progress(true);
  throw Error(
      Code::not_converging,
      fmt::format("the rounds did not converge: after {} a freeze would take {:.0f} ms, "
                  "{:.0f} ms are allowed",
                  stats.rounds, stats.expected_downtime_ms, limit),
      fmt::format("allow more with --max-downtime {:.0f}ms or --max-rounds, or slow the job "
                  "down meanwhile with --auto-converge",
                  stats.expected_downtime_ms * 1.3));
}

}  // namespace

void sync_by_rounds(Sender& sender) {
  auto& stats = sender.stats();
  std::uint64_t scanned_at_step = 0;
  std::uint64_t dirty_bytes_before = 0;
  const auto rounds_max = sender.options().spec.max_rounds;
  bool offered = false;
  Sender::Clock::time_point last_scan{};
  // After a freeze that was put off, or a replay that did not work, the copy is there already.
  for (auto round = stats.rounds; !sender.frozen(); ++round) {
    stats.phase = round == 0 ? "base_copy" : "rounds";
    // At most one comparison a step: nothing changes in between.
    if (round > 0) {
      sender.progress_until(
          [&] { return sender.frozen() || sender.program().step() > scanned_at_step; });
      if (sender.frozen()) return;
    }
    scanned_at_step = sender.program().step();
    sender.refresh(sender.program().state_view());
    const auto dirty = sender.differing(sender.scan(1));
    const auto dirty_bytes = sender.bytes_in(dirty);
    if (round > 0) {
      const auto seconds = std::chrono::duration<double>(Sender::Clock::now() - last_scan).count();
      stats.dirty_rate =
          static_cast<std::uint64_t>(static_cast<double>(dirty_bytes) / std::max(seconds, 1e-3));
      sender.expect_downtime(dirty_bytes);
      const bool last_round = rounds_max != 0 && stats.rounds >= rounds_max;
      if (should_freeze({sender.options().spec.max_downtime_ms, stats.expected_downtime_ms,
                         dirty_bytes, dirty_bytes_before, last_round})) {
        sender.report_converged();
        offered = true;
      } else if (last_round && !offered) {
        give_up(sender);
      } else if (sender.options().spec.auto_converge && dirty_bytes_before != 0 &&
                 dirty_bytes * 2 > dirty_bytes_before) {
        throttle_more(sender);
      }
      dirty_bytes_before = dirty_bytes;
    }
    last_scan = Sender::Clock::now();
    sender.send_round(dirty, false);
    ++stats.rounds;
    // Nothing is known yet of what a step changes; assume the whole of what was just sent.
    if (round == 0) sender.expect_downtime(dirty_bytes);
    sender.report_progress(true);
  }
}

}  // namespace cardswap
