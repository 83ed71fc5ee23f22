#pragma once

#include <boost/json/array.hpp>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "agent/handover/protocol/source_rules.h"
#include "migrator/plan/migration_stats.h"

namespace cardswap {

/// The progress of a migration at one moment. Units: bytes, bytes per second, milliseconds.
struct TimelineSample {
  std::int64_t at_ms = 0;  ///< since the migration was planned
  handover::SourceState state = handover::SourceState::planned;
  std::string phase;       ///< the engine's; empty before it speaks
  std::uint64_t step = 0;  ///< step boundaries that the source's job has passed
  std::uint64_t transferred = 0;
  std::uint64_t remaining = 0;  ///< of this round or of the base copy, still to send
  std::uint64_t rate = 0;
  std::uint64_t log_bytes = 0;
  std::uint64_t log_lag_bytes = 0;
  std::uint32_t rounds = 0;
  std::uint32_t throttle_pct = 0;
  double expected_downtime_ms = 0;
  bool operator==(const TimelineSample&) const = default;
};

/// A sample of the engine's figures; `at_ms`, `state` and `step` are left to the caller.
[[nodiscard]] TimelineSample sample_of(const MigrationStats& stats);

/// The course of a migration in at most kSamplesMax samples, however long it takes. When they are
/// full, the interval between them doubles, and samples that are then too close are removed. The
/// first and the latest sample always stay, and so does the first of each state or phase unless
/// those alone fill the timeline. A value.
class Timeline {
 public:
  static constexpr std::size_t kSamplesMax = 600;
  static constexpr std::int64_t kFirstIntervalMs = 50;
  static constexpr std::size_t kPhaseBytesMax = 32;

  /// Adds a sample. A time before the latest sample's becomes that time: clocks may be set back.
  void add(TimelineSample sample);
  [[nodiscard]] const std::vector<TimelineSample>& samples() const { return samples_; }
  [[nodiscard]] std::int64_t interval_ms() const { return interval_ms_; }
  [[nodiscard]] bool empty() const { return samples_.empty(); }
  bool operator==(const Timeline&) const = default;

 private:
  void downsample(bool keep_changes);

  std::vector<TimelineSample> samples_;
  std::int64_t interval_ms_ = kFirstIntervalMs;
};

[[nodiscard]] boost::json::array to_json(const Timeline& timeline);
/// Reads a timeline; entries that are no sample are left out.
[[nodiscard]] Timeline timeline_from_json(const boost::json::array& samples);

}  // namespace cardswap
