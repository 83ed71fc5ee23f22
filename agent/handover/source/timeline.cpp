#include "agent/handover/source/timeline.h"

#include <algorithm>
#include <boost/json.hpp>

#include "agent/base/json_archive.h"
#include "migrator/base/utf8.h"

namespace cardswap {
namespace {

namespace json = boost::json;

bool begins_something(const TimelineSample& before, const TimelineSample& sample) {
  return before.state != sample.state || before.phase != sample.phase;
}

}  // namespace

TimelineSample sample_of(const MigrationStats& stats) {
  TimelineSample sample;
  sample.phase = to_string(stats.phase);
  sample.transferred = stats.transferred;
  sample.remaining = stats.remaining;
  sample.rate = stats.rate;
  sample.log_bytes = stats.log_bytes;
  sample.log_lag_bytes = stats.log_lag_bytes;
  sample.rounds = stats.rounds;
  sample.throttle_pct = stats.throttle_pct;
  sample.expected_downtime_ms = stats.expected_downtime_ms;
  return sample;
}

void Timeline::add(TimelineSample sample) {
  if (sample.phase.size() > kPhaseBytesMax) sample.phase.resize(kPhaseBytesMax);
  sample.phase = as_utf8(std::move(sample.phase));
  if (!samples_.empty()) sample.at_ms = std::max(sample.at_ms, samples_.back().at_ms);
  // The latest sample gives way to the next one until it is far enough from the one before it.
  const auto n = samples_.size();
  if (n >= 2 && samples_[n - 1].at_ms - samples_[n - 2].at_ms < interval_ms_ &&
      !begins_something(samples_[n - 2], samples_[n - 1]) &&
      !begins_something(samples_[n - 1], sample)) {
    samples_.back() = std::move(sample);
    return;
  }
  samples_.push_back(std::move(sample));
  if (samples_.size() <= kSamplesMax) return;
  interval_ms_ *= 2;
  downsample(true);
  // Little was gained where a phase changes all the time.
  while (samples_.size() > kSamplesMax * 3 / 4) {
    interval_ms_ *= 2;
    downsample(false);
  }
}

void Timeline::downsample(bool keep_changes) {
  std::vector<TimelineSample> kept;
  for (std::size_t i = 0; i < samples_.size(); ++i) {
    const bool ends = i == 0 || i + 1 == samples_.size();
    if (ends || samples_[i].at_ms - kept.back().at_ms >= interval_ms_ ||
        (keep_changes && begins_something(samples_[i - 1], samples_[i]))) {
      kept.push_back(std::move(samples_[i]));
      samples_[i] = kept.back();  // the next one is compared with it
    }
  }
  samples_ = std::move(kept);
}

template <class Archive>
void fields(Archive& a, FieldsOf<Archive, TimelineSample>& m) {
  a("at_ms", m.at_ms);
  a("state", m.state);
  a("phase", m.phase);
  a("step", m.step);
  a("transferred", m.transferred);
  a("remaining", m.remaining);
  a("rate", m.rate);
  a("log_bytes", m.log_bytes);
  a("log_lag_bytes", m.log_lag_bytes);
  a("rounds", m.rounds);
  a("throttle_pct", m.throttle_pct);
  a("expected_downtime_ms", m.expected_downtime_ms);
}

json::array to_json(const Timeline& timeline) {
  json::array result;
  for (const auto& sample : timeline.samples()) {
    put_fields(result.emplace_back(json::object()).get_object(), sample);
  }
  return result;
}

Timeline timeline_from_json(const json::array& samples) {
  Timeline result;
  for (const auto& item : samples) {
    if (!item.is_object()) continue;
    const auto& from = item.get_object();
    if (!named<handover::SourceState>(text_at(from, "state"))) continue;
    TimelineSample sample;
    JsonFieldReader in(from, OutOfRange::ignored);
    fields(in, sample);
    result.add(std::move(sample));
  }
  return result;
}

}  // namespace cardswap
