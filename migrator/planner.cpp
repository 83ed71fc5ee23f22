#include "migrator/planner.h"

#include <algorithm>

namespace cardswap {
namespace {

// Used until something was measured: a 10 Gbit/s link, one core's XXH3 on memory.
constexpr double kLinkRateAssumed = 1.1e9;
constexpr double kDigestRateAssumed = 8e9;
constexpr double kFixedMs = 4;      // park, control messages, values
constexpr double kRoundTrips = 5;   // final round, digests, agreement, grant
constexpr double kSetupMs = 500;    // the standby's start comes on top and is not known
constexpr double kShrinksTo = 0.9;  // a round that leaves more than this is not worth another
constexpr double kWellWithin = 0.25;

double rate_or(double measured, double assumed) { return measured > 0 ? measured : assumed; }

}  // namespace

double expected_downtime_ms(const Measurements& measured) {
  const double link = rate_or(measured.link_rate, kLinkRateAssumed);
  const double digest = rate_or(measured.digest_rate, kDigestRateAssumed);
  const auto state = static_cast<double>(measured.state_bytes);
  const auto dirty = static_cast<double>(measured.dirty_bytes);
  return 1e3 * (state / digest + dirty / link + dirty / digest) + measured.replay_ms + kFixedMs +
         kRoundTrips * measured.round_trip_ms;
}

bool should_freeze(const FreezeRule& now) {
  if (now.max_downtime_ms > 0 && now.expected_downtime_ms > now.max_downtime_ms) return false;
  if (now.max_downtime_ms > 0 && now.expected_downtime_ms < kWellWithin * now.max_downtime_ms) {
    return true;
  }
  if (now.dirty_bytes == 0) return true;
  return now.dirty_bytes_before != 0 &&
         static_cast<double>(now.dirty_bytes) >
             kShrinksTo * static_cast<double>(now.dirty_bytes_before);
}

std::vector<Prediction> predict(const Measurements& measured, double max_downtime_ms) {
  auto dense = measured;
  dense.dirty_bytes = measured.state_bytes;
  const double all = expected_downtime_ms(dense);
  const double link = rate_or(measured.link_rate, kLinkRateAssumed);
  const double copy_ms = 1e3 * static_cast<double>(measured.state_bytes) / link;
  const bool fits = max_downtime_ms <= 0 || all <= max_downtime_ms;
  return {
      {Strategy::stop_copy, kSetupMs + all, all, measured.state_bytes, fits},
      {Strategy::rounds, kSetupMs + copy_ms + all, all, 2 * measured.state_bytes, fits},
  };
}

}  // namespace cardswap
