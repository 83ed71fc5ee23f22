#include "migrator/core/planner.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

namespace cardswap {
namespace {

// Used until something was measured: a 10 Gbit/s link, one core's XXH3 on memory.
constexpr double kLinkRateAssumed = 1.1e9;
constexpr double kDigestRateAssumed = 8e9;
constexpr double kFixedMs = 2;  // park, control messages, values
constexpr double kHandoverAssumedMs = 3;
constexpr double kRoundTrips = 5;   // final round, digests, agreement, grant
constexpr double kSetupMs = 500;    // the standby's start comes on top and is not known
constexpr double kShrinksTo = 0.9;  // a round that leaves more than this is not worth another
constexpr double kWellWithin = 0.25;
constexpr double kReplayShareAssumed = 0.3;  // of a step, for its optimizer's part
constexpr double kStepsToAudit = 2;
constexpr double kSlowerMax = 1.1;

double rate_or(double measured, double assumed) { return measured > 0 ? measured : assumed; }

}  // namespace

double expected_downtime_ms(const Measurements& measured) {
  const double link = rate_or(measured.link_rate, kLinkRateAssumed);
  const double digest = rate_or(measured.digest_rate, kDigestRateAssumed);
  const auto state = static_cast<double>(measured.state_bytes);
  const auto dirty = static_cast<double>(measured.dirty_bytes);
  return 1e3 * (state / digest + dirty / link + dirty / digest) + measured.replay_ms + kFixedMs +
         rate_or(measured.handover_ms, kHandoverAssumedMs) + kRoundTrips * measured.round_trip_ms;
}

bool should_freeze(const FreezeRule& now) {
  if (now.max_downtime_ms > 0 && now.expected_downtime_ms > now.max_downtime_ms) return false;
  if (now.max_downtime_ms > 0 && now.expected_downtime_ms < kWellWithin * now.max_downtime_ms) {
    return true;
  }
  if (now.last_round || now.dirty_bytes == 0) return true;
  return now.dirty_bytes_before != 0 &&
         static_cast<double>(now.dirty_bytes) >
             kShrinksTo * static_cast<double>(now.dirty_bytes_before);
}

std::vector<Prediction> predict(const Measurements& measured, double max_downtime_ms) {
  const double link = rate_or(measured.link_rate, kLinkRateAssumed);
  const auto state = static_cast<double>(measured.state_bytes);
  const auto gradients = static_cast<double>(measured.update_bytes);
  const double step_ms = std::max(measured.step_ms, 1.0);
  const auto with_dirty = [&](std::uint64_t bytes, double replay_ms) {
    auto result = measured;
    result.dirty_bytes = bytes;
    result.replay_ms = replay_ms;
    return expected_downtime_ms(result);
  };
  const auto copy_ms = [&](double bytes, double rate) { return 1e3 * bytes / rate; };
  const auto judged = [&](Prediction p) {
    p.fits = max_downtime_ms <= 0 || p.downtime_ms <= max_downtime_ms;
    if (!p.fits) {
      p.reason = fmt::format("would stop the job for {:.0f} ms, {:.0f} ms are allowed",
                             p.downtime_ms, max_downtime_ms);
    }
    return p;
  };

  const double stop = with_dirty(measured.state_bytes, 0);
  std::vector<Prediction> result{
      judged({Strategy::stop_copy, kSetupMs + stop, stop, measured.state_bytes, false, {}})};

  const auto rewritten =
      measured.update_bytes == 0 ? measured.state_bytes : measured.replayed_bytes;
  const double dirty = with_dirty(rewritten, 0);
  result.push_back(judged(
      {Strategy::rounds,
       kSetupMs + copy_ms(state, link) + copy_ms(static_cast<double>(rewritten), link) + dirty,
       dirty,
       measured.state_bytes + 2 * rewritten,
       false,
       {}}));

  if (measured.update_bytes == 0) {
    Prediction none{
        Strategy::replay, 0, 0, 0, false, "no optimizer step of this job can be replayed"};
    result.push_back(none);
    return result;
  }
  // While the base fills, the log of what is there already takes half a step's gradients on
  // average.
  const double log_rate = gradients / 2 / (step_ms / 1e3);
  const double base_ms = copy_ms(state, std::max(link / 2, link - log_rate));
  const double log_ms = copy_ms(gradients, link);
  const double replay_ms =
      measured.replay_ms > 0 ? measured.replay_ms : kReplayShareAssumed * step_ms;
  const double last = with_dirty(measured.update_bytes, replay_ms);
  const double paced_ms = std::max(step_ms, log_ms + replay_ms);
  const double logged = base_ms / std::max(step_ms, log_ms / 2) / 2 + kStepsToAudit;
  result.push_back(judged({Strategy::replay,
                           kSetupMs + base_ms + kStepsToAudit * paced_ms + last,
                           last,
                           measured.state_bytes + static_cast<std::uint64_t>(logged * gradients),
                           false,
                           {}}));
  return result;
}

Strategy choose(const std::vector<Prediction>& predictions) {
  const auto& stop = predictions.front();
  const auto shorter = [](const Prediction& a, const Prediction& b) {
    return a.downtime_ms < b.downtime_ms;
  };
  std::vector<Prediction> possible;
  std::copy_if(predictions.begin(), predictions.end(), std::back_inserter(possible),
               [](const auto& p) { return p.fits; });
  if (stop.fits) {
    std::erase_if(possible,
                  [&](const auto& p) { return p.total_time_ms > kSlowerMax * stop.total_time_ms; });
    return std::min_element(possible.begin(), possible.end(), shorter)->strategy;
  }
  if (!possible.empty()) {
    return std::min_element(
               possible.begin(), possible.end(),
               [](const auto& a, const auto& b) { return a.total_time_ms < b.total_time_ms; })
        ->strategy;
  }
  possible = predictions;
  std::erase_if(possible, [](const auto& p) {
    return p.strategy == Strategy::stop_copy || p.transferred == 0;
  });
  return std::min_element(possible.begin(), possible.end(), shorter)->strategy;
}

}  // namespace cardswap
