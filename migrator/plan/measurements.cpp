#include "migrator/plan/measurements.h"

#include <algorithm>

namespace cardswap {
namespace {

// Used until something was measured: a 10 Gbit/s link, one core's XXH3 on memory.
constexpr double kLinkRateAssumed = 1.1e9;
constexpr double kDigestRateAssumed = 8e9;
constexpr double kFixedMs = 2;  // park, control messages, values
constexpr double kHandoverAssumedMs = 3;
constexpr double kRoundTrips = 5;  // final round, digests, agreement, grant
/// The share of a step that its optimizer takes: the last replay runs at the same time.
constexpr double kOwnShare = 0.3;
/// By which share of a step the standby's first step takes longer, because it is the first complete
/// one.
constexpr double kLaterThere = 0.1;

double rate_or(double measured, double assumed) { return measured > 0 ? measured : assumed; }

}  // namespace

double expected_downtime_ms(const Measurements& measured) {
  const auto state = static_cast<double>(measured.state_bytes);
  const auto dirty = static_cast<double>(measured.dirty_bytes);
  const double replay = std::max(0.0, measured.replay_ms - kOwnShare * measured.step_ms);
  return digest_ms(measured, state + dirty) + link_ms(measured, dirty) + replay + kFixedMs +
         rate_or(measured.handover_ms, kHandoverAssumedMs) + kRoundTrips * measured.round_trip_ms;
}

Stands expected_stands(const Measurements& measured) {
  if (!measured.rehearses) return {expected_downtime_ms(measured), 0};
  // The agents do not know of the freeze before the second pause.
  const double agents = rate_or(measured.handover_ms, kHandoverAssumedMs);
  auto then = measured;
  then.dirty_bytes = 0;
  then.replay_ms = 0;
  return {expected_downtime_ms(measured) - agents,
          expected_downtime_ms(then) + kLaterThere * measured.step_ms};
}

double link_ms(const Measurements& measured, double bytes) {
  return 1e3 * bytes / rate_or(measured.link_rate, kLinkRateAssumed);
}

double digest_ms(const Measurements& measured, double bytes) {
  return 1e3 * bytes / rate_or(measured.digest_rate, kDigestRateAssumed);
}

}  // namespace cardswap
