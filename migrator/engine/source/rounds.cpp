#include "migrator/engine/source/rounds.h"

#include <fmt/format.h>

#include <algorithm>

#include "migrator/plan/planner.h"

namespace cardswap {
namespace {

// As in hypervisors: 20 % first, then 10 % more after each round that did not help.
constexpr std::uint32_t kFirstThrottlePct = 20;
constexpr std::uint32_t kThrottleStepPct = 10;
constexpr std::uint32_t kThrottlePctMax = 99;
/// After this many rounds without a decrease, `auto` gives up: the next round will not be smaller.
constexpr int kVainRoundsMax = 5;

void throttle_more(SourceContext& source) {
  const auto before = source.reporter.stats().throttle_pct;
  const auto pct =
      before == 0 ? kFirstThrottlePct : std::min(before + kThrottleStepPct, kThrottlePctMax);
  source.program.throttle(pct / 100.0);
  source.reporter.note_throttle(pct);
}

/// Gives up: a user who sets a limit prefers that the job goes on where it is.
[[noreturn]] void give_up(SourceContext& source) {
  const auto parked_ms = source.forecast.expected_parked_ms();
  const auto limit = source.options.spec.max_stall_ms;
  source.reporter.report(true);
  throw Error(Code::not_converging,
              fmt::format("the rounds did not converge: after {} a freeze would take {:.0f} ms, "
                          "{:.0f} ms are allowed",
                          source.reporter.rounds(), parked_ms, limit),
              fmt::format("allow more with --max-stall {:.0f}ms or --max-rounds, or slow the job "
                          "down meanwhile with --auto-converge",
                          parked_ms * 1.3));
}

/// It is not known yet what a step changes: assumes everything that was just sent.
void send_base_copy(SourceContext& source) {
  const auto copied = source.state.send_differing(1);
  source.reporter.note_round();
  source.forecast.predict_downtime(copied);
  source.reporter.report(true);
}

}  // namespace

void sync_by_rounds(SourceContext& source) {
  using Clock = ConnectionToTarget::Clock;
  const auto& spec = source.options.spec;
  auto& freeze = source.freeze;
  auto& reporter = source.reporter;
  auto& forecast = source.forecast;
  auto& state = source.state;
  std::uint64_t scanned_at_step = 0;
  std::uint64_t dirty_bytes_before = 0;
  bool offered = false;
  int in_vain = 0;
  Clock::time_point last_scan{};
  // After a freeze that was put off, or a replay that did not work, the copy is there already.
  for (auto round = reporter.rounds(); !freeze.has_arrived(); ++round) {
    reporter.enter(round == 0 ? MigrationPhase::base_copy : MigrationPhase::rounds);
    // At most one comparison a step: nothing changes in between.
    if (round > 0) {
      source.connection.progress_until([&] {
        return freeze.has_arrived() || source.program.step() > scanned_at_step ||
               source.program.takes_no_steps();
      });
      if (freeze.has_arrived()) return;
    }
    scanned_at_step = source.program.step();
    state.refresh(source.program.state_view());
    if (round == 0) {
      last_scan = Clock::now();
      send_base_copy(source);
      continue;
    }
    const auto dirty = state.chunks().differing(state.scan(1));
    const auto dirty_bytes = state.chunks().bytes_in(dirty);
    const auto seconds = std::chrono::duration<double>(Clock::now() - last_scan).count();
    reporter.note_dirty_rate(static_cast<double>(dirty_bytes) / std::max(seconds, 1e-3));
    forecast.predict_downtime(dirty_bytes);
    const bool last_round = spec.max_rounds != 0 && reporter.rounds() >= spec.max_rounds;
    if (should_freeze({spec.max_stall_ms, forecast.expected_parked_ms(), dirty_bytes,
                       dirty_bytes_before, last_round})) {
      forecast.report_converged();
      offered = true;
    } else if (last_round && !offered) {
      give_up(source);
    } else if (spec.auto_converge && dirty_bytes_before != 0 &&
               dirty_bytes * 2 > dirty_bytes_before) {
      throttle_more(source);
    } else if (spec.strategy == Strategy::automatic && dirty_bytes_before != 0) {
      in_vain = dirty_bytes >= dirty_bytes_before && !offered ? in_vain + 1 : 0;
      if (in_vain == kVainRoundsMax) give_up(source);
    }
    dirty_bytes_before = dirty_bytes;
    last_scan = Clock::now();
    state.send_round(dirty, false);
    reporter.note_round();
    reporter.report(true);
  }
}

}  // namespace cardswap
