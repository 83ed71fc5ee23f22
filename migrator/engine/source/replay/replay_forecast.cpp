#include "migrator/engine/source/replay/replay_forecast.h"

#include <fmt/format.h>

#include <algorithm>

namespace cardswap {
namespace {

/// A freeze that costs hardly more than the best later one is taken, because predictions vary.
constexpr double kAsGood = 1.03;
/// The share of the limit for which a step may always wait for the log, whatever the freeze takes.
constexpr double kWaitMin = 0.25;
/// The share of a step by which it is late besides its waits: it shares its cores with the threads
/// that send.
constexpr double kLateBesides = 0.75;
/// The share of a step that a freeze must save if it waits for one more step.
constexpr double kWorthAStep = 0.05;
/// The share of --timeout for which a freeze may wait.
constexpr double kOfTimeout = 0.5;

/// How many bytes of `gradients` belong to the part that is copied.
std::uint64_t of_copied(const Measurements& now, std::uint64_t gradients) {
  const auto all = std::max<double>(1, static_cast<double>(now.replayed_bytes));
  return static_cast<std::uint64_t>(static_cast<double>(gradients) *
                                    static_cast<double>(now.copied_bytes) / all);
}

/// The bytes that a freeze must send. The entry of the last step has to be sent in any case: the
/// gradients of the copied part, without those that were sent early. An entry that has gone is
/// replayed by then, unless the log is slower than the steps.
std::uint64_t freeze_bytes_of(const ReplayFacts& facts, const Measurements& now) {
  const auto log = log_outlasts_a_step(now) ? facts.lag_bytes : facts.unsent_bytes;
  const auto entry = std::max(log, facts.gradients.usual_rest_bytes());
  const auto to_go =
      static_cast<std::uint64_t>(facts.state_bytes_per_gradient_byte * static_cast<double>(entry));
  return facts.bytes_to_copy + facts.measured.dirty_bytes + of_copied(now, to_go);
}

/// By how much entries have taken longer of late than their bytes take the link: they are compared
/// with what went early, compressed, and heard of at the other end. Not known during a base copy.
double entry_ms_besides(const ReplayFacts& facts, const Measurements& now) {
  if (facts.bytes_to_copy != 0) return 0;
  const auto bytes =
      facts.state_bytes_per_gradient_byte * static_cast<double>(facts.gradients.usual_rest_bytes());
  return std::max(0.0, facts.gradients.usual_sent_ms() - link_ms(now, bytes));
}

/// How long a freeze parks the job. To replay the last entry takes no longer than the same step
/// here, and runs at the same time.
ParkedTimes parked_times_of(const ReplayFacts& facts, Measurements now,
                            std::uint64_t freeze_bytes) {
  const auto besides_ms = entry_ms_besides(facts, now);
  now.dirty_bytes = freeze_bytes;
  now.replay_ms = 0;
  auto parked = expected_parked_times(now);
  parked.first += besides_ms;
  return parked;
}

/// Whether a freeze now costs no more than the course with the least lost time. If an entry is sent
/// within a step, a complete copy loses no time, and an audit costs nothing.
bool pays_at_once(const ReplayFacts& facts, Measurements now, const ReplayCourse& course) {
  if (!log_outlasts_a_step(now)) return false;
  const double entry =
      (facts.holds_each_step ? now.rest_share : 1) * static_cast<double>(now.update_bytes);
  now.dirty_bytes = facts.bytes_to_copy + of_copied(now, static_cast<std::uint64_t>(entry));
  return expected_parked_times(now).all() <= kAsGood * course.lost_ms;
}

/// Whether a freeze, which is possible now and would take `freeze_ms`, should wait for one more
/// step. If entries are sent within a step, one more step is not late; and as long as the rest of
/// each step is smaller than that of the previous one, the last step waits for less.
bool is_worth_a_step(const ReplayFacts& facts, const Measurements& now, double freeze_ms,
                     double timeout_ms, BacklogTrend& backlog) {
  if (facts.holds_each_step || log_outlasts_a_step(now)) return false;
  const auto rest_ms = link_ms(now, now.rest_share * static_cast<double>(now.update_bytes));
  if (rest_ms < kWorthAStep * now.step_ms) return false;
  const bool in_time =
      timeout_ms <= 0 || facts.age_ms + now.step_ms + freeze_ms < kOfTimeout * timeout_ms;
  return backlog.is_worth_a_step(facts.program_step) && in_time;
}

/// Whether this is the first call after the gradients of a whole step were seen. Only the most that
/// there may be was known before; experts that are rarely chosen have no gradients in most steps.
bool judges_the_limit(const ReplayFacts& facts, ForecastHistory& history) {
  if (history.limit_was_judged || facts.updates_sent == 0) return false;
  const auto latest = facts.gradients.latest_step();
  if (history.first_step == 0) history.first_step = latest;
  history.limit_was_judged = latest != history.first_step;
  return history.limit_was_judged;
}

/// Sets the advice for a course that delays a step beyond the limit.
void give_up_limit(ReplayForecast& forecast, const Measurements& now, double stall_ms,
                   const MigrationSpec& spec) {
  forecast.why = fmt::format(
      "replay would keep a step of the job for {:.0f} ms, {:.0f} ms are allowed: the gradients of "
      "a step take {:.0f} ms on this link",
      stall_ms, spec.max_stall_ms, link_ms(now, static_cast<double>(now.update_bytes)));
  if (spec.strategy == Strategy::replay) {
    forecast.advice = ReplayForecast::Advice::refuse;
    forecast.hint = fmt::format(
        "allow more with --max-stall {:.0f}ms, raise --bandwidth, or let --strategy auto choose",
        1.3 * stall_ms);
  } else {
    forecast.advice = ReplayForecast::Advice::go_by_rounds;
    forecast.why = "by rounds: " + forecast.why;
  }
}

}  // namespace

ReplayForecast forecast_of(const ReplayFacts& facts, const MigrationSpec& spec,
                           ForecastHistory& history) {
  const auto limit = spec.max_stall_ms;
  const auto now = measurements_of(facts);
  const auto when = freeze_when(spec.strategy);
  const auto course = course_of_replay(now, limit, when);
  ReplayForecast forecast;
  forecast.freeze_bytes = freeze_bytes_of(facts, now);
  const auto freeze = parked_times_of(facts, now, forecast.freeze_bytes);
  const bool is_copied = facts.bytes_to_copy == 0;
  const bool caught_up = facts.lag_bytes <= facts.gradients.most_bytes();
  const bool is_complete = is_copied && facts.is_audited && caught_up;
  forecast.stall_ms =
      std::max(facts.longest_wait_ms, is_complete ? freeze.longest() : course.stall_ms);
  forecast.lost_ms = facts.waited_ms + (is_complete ? freeze.all() : course.lost_ms);
  if (limit > 0 && judges_the_limit(facts, history) && course.stall_ms > limit) {
    give_up_limit(forecast, now, course.stall_ms, spec);
    return forecast;
  }
  if (is_copied) {
    history.backlog.note(facts.gradients.latest_step(), facts.gradients.usual_rest_bytes());
  }
  // Called also when the time parked does not fit, because it counts the boundaries.
  const bool now_or_never =
      is_complete && !is_worth_a_step(facts, now, freeze.all(), spec.timeout_ms, history.backlog);
  const bool may_be_early = when == FreezeWhen::it_pays && pays_at_once(facts, now, course);
  const bool fits = limit <= 0 || freeze.longest() <= limit;
  if (!fits || !(now_or_never || may_be_early)) return forecast;
  forecast.advice = ReplayForecast::Advice::offer_freeze;
  // It comes now, where the course may have expected it for later.
  forecast.stall_ms = std::max(facts.longest_wait_ms, freeze.longest());
  forecast.lost_ms = facts.waited_ms + freeze.all();
  return forecast;
}

Measurements measurements_of(const ReplayFacts& facts) {
  const auto worth = [&](std::uint64_t gradients) {
    return static_cast<std::uint64_t>(facts.state_bytes_per_gradient_byte *
                                      static_cast<double>(gradients));
  };
  const auto seen = facts.gradients.usual_bytes();
  const auto replayed = facts.sizes.replayed_bytes;
  auto now = facts.measured;
  now.replayed_bytes = replayed;
  now.update_bytes = worth(seen != 0 ? seen : facts.sizes.update_bytes);
  now.copied_bytes = replayed - std::min(replayed, facts.bytes_to_copy);
  now.logged_bytes = worth(facts.log_bytes);
  if (seen != 0 && facts.early_bytes != 0) {
    const auto rest = static_cast<double>(std::min(seen, facts.gradients.usual_rest_bytes()));
    now.rest_share = rest / static_cast<double>(seen);
  }
  return now;
}

FreezeWhen freeze_when(Strategy strategy) {
  return strategy == Strategy::automatic ? FreezeWhen::it_pays : FreezeWhen::base_is_whole;
}

double wait_max_ms(const Measurements& measured, double max_stall_ms) {
  const double besides = expected_parked_times(measured).first + kLateBesides * measured.step_ms;
  return std::max(max_stall_ms - besides, kWaitMin * max_stall_ms);
}

}  // namespace cardswap
