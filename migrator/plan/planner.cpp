#include "migrator/plan/planner.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <utility>

namespace cardswap {
namespace {

constexpr double kSetupMs = 500;    // the standby's start comes on top and is not known
constexpr double kShrinksTo = 0.9;  // a round that leaves more than this is not worth another
constexpr double kWellWithin = 0.25;
/// To freeze before the base copy is complete must gain clearly: then no audit checks the replay.
constexpr double kPartPays = 0.85;
constexpr double kTheSame = 1.02;  // a difference that no prediction can tell

double in_mib(std::uint64_t bytes) { return static_cast<double>(bytes) / (1U << 20U); }

/// Sets `fits`, and the reason if it does not fit.
Prediction judged(Prediction p, double max_stall_ms) {
  p.fits = max_stall_ms <= 0 || p.stall_ms <= max_stall_ms;
  if (!p.fits) {
    p.reason = fmt::format("would {} the job for {:.0f} ms, {:.0f} ms are allowed",
                           p.stall_ms > p.downtime_ms ? "keep steps of" : "stop", p.stall_ms,
                           max_stall_ms);
  }
  return p;
}

/// The prediction for a freeze in which `dirty_bytes` are sent.
Prediction stopping(const Measurements& measured, Strategy strategy, std::uint64_t dirty_bytes) {
  auto then = measured;
  then.dirty_bytes = dirty_bytes;
  then.replay_ms = 0;
  Prediction p;
  p.strategy = strategy;
  const auto parked = expected_parked_times(then);
  p.downtime_ms = p.lost_ms = parked.all();
  p.stall_ms = parked.longest();
  return p;
}

Prediction replaying(const Measurements& measured, const Prediction& stop, double max_stall_ms,
                     FreezeWhen when) {
  Prediction p;
  p.strategy = Strategy::replay;
  if (measured.update_bytes == 0) {
    p.reason = "no optimizer step of this job can be replayed";
    return p;
  }
  auto course = course_of_replay(measured, max_stall_ms, when);
  if (course.copied < 1 && stop.fits && course.lost_ms > kPartPays * stop.lost_ms) {
    course = course_of_replay(measured, max_stall_ms, FreezeWhen::base_is_whole);
  }
  p.downtime_ms = course.freeze_ms;
  p.stall_ms = course.stall_ms;
  p.lost_ms = course.lost_ms;
  const auto others = static_cast<double>(measured.state_bytes -
                                          std::min(measured.state_bytes, measured.replayed_bytes));
  p.total_time_ms = kSetupMs + link_ms(measured, others) + course.sync_ms + course.freeze_ms;
  p.transferred = measured.state_bytes + course.logged;
  return judged(p, max_stall_ms);
}

}  // namespace

bool should_freeze(const FreezeFacts& now) {
  if (now.max_stall_ms > 0 && now.expected_parked_ms > now.max_stall_ms) return false;
  if (now.max_stall_ms > 0 && now.expected_parked_ms < kWellWithin * now.max_stall_ms) {
    return true;
  }
  if (now.last_round || now.dirty_bytes == 0) return true;
  return now.dirty_bytes_before != 0 &&
         static_cast<double>(now.dirty_bytes) >
             kShrinksTo * static_cast<double>(now.dirty_bytes_before);
}

std::vector<Prediction> predict(const Measurements& measured, double max_stall_ms,
                                FreezeWhen when) {
  const double copy_ms = link_ms(measured, static_cast<double>(measured.state_bytes));
  auto stop = stopping(measured, Strategy::stop_copy, measured.state_bytes);
  stop.total_time_ms = kSetupMs + stop.downtime_ms;
  stop.transferred = measured.state_bytes;
  stop = judged(stop, max_stall_ms);

  const auto rewritten =
      measured.update_bytes == 0 ? measured.state_bytes : measured.replayed_bytes;
  auto rounds = stopping(measured, Strategy::rounds, rewritten);
  rounds.total_time_ms =
      kSetupMs + copy_ms + link_ms(measured, static_cast<double>(rewritten)) + rounds.downtime_ms;
  rounds.transferred = measured.state_bytes + 2 * rewritten;
  return {stop, judged(rounds, max_stall_ms), replaying(measured, stop, max_stall_ms, when)};
}

Strategy choose(const std::vector<Prediction>& predictions) {
  std::vector<Prediction> left;
  std::ranges::copy_if(predictions, std::back_inserter(left), &Prediction::fits);
  if (left.empty()) return Strategy::rounds;
  for (const auto cost : {&Prediction::lost_ms, &Prediction::stall_ms}) {
    const double least = (*std::ranges::min_element(left, {}, cost)).*cost;
    std::erase_if(left, [&](const Prediction& p) { return p.*cost > kTheSame * least; });
  }
  return std::ranges::min_element(left, {}, &Prediction::total_time_ms)->strategy;
}

Error no_strategy_fits(const Measurements& measured, double max_stall_ms,
                       std::uint64_t rewritten_bytes, const std::vector<Prediction>& predictions) {
  double least = stopping(measured, Strategy::rounds, rewritten_bytes).stall_ms;
  auto text = fmt::format(
      "no strategy keeps each step of the job within {:.0f} ms on this link: rounds would stop it "
      "for at least {:.0f} ms, as each step changes {:.1f} of {:.1f} MiB",
      max_stall_ms, least, in_mib(rewritten_bytes), in_mib(measured.state_bytes));
  for (const auto& p : predictions) {
    if (p.strategy == Strategy::rounds || p.transferred == 0) continue;
    text +=
        fmt::format(", {} would {} for {:.0f} ms", to_string(p.strategy),
                    p.strategy == Strategy::replay ? "keep steps of it" : "stop it", p.stall_ms);
    least = std::min(least, p.stall_ms);
  }
  return Error(
      Code::not_converging, std::move(text),
      fmt::format("allow more with --max-stall {:.0f}ms, or raise --bandwidth", 1.3 * least));
}

}  // namespace cardswap
