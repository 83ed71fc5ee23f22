#include "migrator/engine/source/strategy_choice.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <limits>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "migrator/base/ms_since.h"
#include "migrator/engine/replay_sizes.h"
#include "migrator/plan/planner.h"

namespace cardswap {
namespace {

/// A step that only accumulates gradients rewrites next to nothing: the least of so many counts.
constexpr int kStepsLookedAt = 3;
constexpr int kLooksMax = 4 * kStepsLookedAt;  // of which some find that a step has made state
/// A step is waited for so long at least, and for as long as some of them take.
constexpr double kWaitMinMs = 3000;
constexpr double kWaitSteps = 5;
/// A probe of a link that others use is not right to the last: what is hardly beyond the limit is
/// tried, and each round measures the link anew.
constexpr double kClearlyBeyond = 1.5;

Measurements measured_with_sizes(SourceContext& source) {
  auto measured = source.forecast.measurements(0);
  const auto sizes = replay_sizes(source.state.view());
  measured.replayed_bytes = sizes.replayed_bytes;
  measured.update_bytes = sizes.update_bytes;
  return measured;
}

/// Whether rounds can end in a freeze if each of them finds this many dirty bytes.
bool may_freeze(SourceContext& source, std::uint64_t dirty_bytes) {
  const auto then = source.forecast.measurements(dirty_bytes);
  return expected_parked_times(then).longest() <= kClearlyBeyond * source.options.spec.max_stall_ms;
}

/// The bytes of chunks that a step rewrites: the least of a few steps. Stops measuring once that is
/// small enough. Several short steps may pass between two measurements, as between two rounds.
/// Nullopt: the program takes no step, or every step creates state.
std::optional<std::uint64_t> rewritten_by_a_step(SourceContext& source) {
  auto& state = source.state;
  auto& program = source.program;
  auto least = std::numeric_limits<std::uint64_t>::max();
  state.refresh(program.state_view());
  auto before = state.scan(1);
  int looks = 0;
  for (int i = 0; i < kStepsLookedAt && !may_freeze(source, least);) {
    const auto waits_since = ConnectionToTarget::Clock::now();
    const auto wait_max_ms = std::max(kWaitMinMs, kWaitSteps * program.median_step_ms());
    source.connection.progress_until([&] {
      return source.freeze.has_arrived() || state.has_new_step() ||
             ms_since(waits_since) > wait_max_ms;
    });
    if (source.freeze.has_arrived()) return 0;
    if (!state.has_new_step() || ++looks > kLooksMax) {
      source.reporter.set_remark(
          state.has_new_step()
              ? std::string("by rounds: each step makes state, and what it changes is not known")
              : fmt::format("by rounds: the job took no step for {:.1f} s, and what one changes is "
                            "not known",
                            ms_since(waits_since) / 1e3));
      return std::nullopt;
    }
    const auto layout = state.view().layout;
    state.refresh(program.state_view());
    auto now = state.scan(1);
    if (state.view().layout == layout) {  // else it has just made some of its state
      std::uint64_t bytes = 0;
      for (std::size_t chunk = 0; chunk < now.size(); ++chunk) {
        if (now[chunk] != before[chunk]) bytes += state.chunks().spans()[chunk].bytes;
      }
      least = std::min(least, bytes);
      ++i;
    }
    before = std::move(now);
    source.reporter.report(false);
  }
  return least;
}

}  // namespace

Strategy choose_strategy(SourceContext& source) {
  const auto asked = source.options.spec.strategy;
  const auto limit = source.options.spec.max_stall_ms;
  if (asked == Strategy::rounds || (asked == Strategy::replay && limit <= 0)) return asked;
  source.probe_link();
  if (asked != Strategy::automatic) return asked;
  const auto measured = measured_with_sizes(source);
  const auto predictions = predict(measured, limit);
  const auto chosen = choose(predictions);
  for (const auto& p : predictions) {
    if (p.strategy == chosen) source.forecast.predict_lateness(p.stall_ms, p.lost_ms);
  }
  const auto& replay = predictions.back();
  if (chosen == Strategy::rounds && measured.update_bytes != 0 && !replay.fits) {
    source.reporter.set_remark("by rounds: replay " + replay.reason);
  }
  return chosen;
}

void expect_rounds_to_fit(SourceContext& source) {
  const auto& spec = source.options.spec;
  if (spec.strategy != Strategy::automatic || spec.max_stall_ms <= 0) return;
  const auto all = predict(measured_with_sizes(source), spec.max_stall_ms);
  if (std::ranges::find(all, Strategy::rounds, &Prediction::strategy)->fits) return;
  const auto rewritten = rewritten_by_a_step(source);
  if (!rewritten || may_freeze(source, *rewritten)) return;
  source.probe_link();  // again: that was one moment's
  if (may_freeze(source, *rewritten)) return;
  source.forecast.predict_downtime(*rewritten);
  source.reporter.report(true);
  const auto measured = measured_with_sizes(source);
  throw no_strategy_fits(measured, spec.max_stall_ms, *rewritten,
                         predict(measured, spec.max_stall_ms));
}

}  // namespace cardswap
