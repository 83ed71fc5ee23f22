#pragma once

#include <boost/json/array.hpp>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "agent/handover/protocol/source_rules.h"
#include "migrator/plan/migration_stats.h"

namespace cardswap {

/// Where a migration stood at one moment. Bytes, bytes a second, milliseconds.
struct TimelineSample {
  std::int64_t at_ms = 0;  ///< since the migration was planned
  handover::State state = handover::State::planned;
  std::string phase;       ///< the engine's; empty before it speaks
  std::uint64_t step = 0;  ///< boundaries that the source's job has passed
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

/// The sample that the engine's figures make.
[[nodiscard]] TimelineSample sample_of(const MigrationStats& stats);

/// How a migration went, in at most kSamplesMax samples however long it takes. When they are full,
/// the interval between them doubles, and samples that are then too close go. The first and the
/// latest sample always stay, and so does the first of each state or phase while those alone do not
/// fill the timeline. A value; one thread.
class Timeline {
 public:
  static constexpr std::size_t kSamplesMax = 600;
  static constexpr std::int64_t kFirstIntervalMs = 50;
  static constexpr std::size_t kPhaseBytesMax = 32;

  /// Adds a sample. A time before the latest sample's is taken for that: clocks are set back.
  void add(TimelineSample sample);
  [[nodiscard]] const std::vector<TimelineSample>& samples() const { return samples_; }
  [[nodiscard]] std::int64_t interval_ms() const { return interval_ms_; }
  [[nodiscard]] bool empty() const { return samples_.empty(); }
  bool operator==(const Timeline&) const = default;

 private:
  void thin(bool keep_changes);

  std::vector<TimelineSample> samples_;
  std::int64_t interval_ms_ = kFirstIntervalMs;
};

[[nodiscard]] boost::json::array to_json(const Timeline& timeline);
/// Reads a timeline; what is no sample is left out.
[[nodiscard]] Timeline timeline_from_json(const boost::json::array& samples);

}  // namespace cardswap
