#pragma once

#include <boost/json/object.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "agent/handover/source/timeline.h"
#include "migrator/base/error.h"

/// What a migration was, for people: made of the API's Migration and Timeline, shown as text, as
/// one page, or as a trace. Pure functions; nothing here talks to an agent.
namespace cardswap::report {

/// A stretch of time; milliseconds since the migration was planned.
struct Span {
  std::string name;
  double from_ms = 0;
  double to_ms = 0;
  [[nodiscard]] double ms() const { return to_ms - from_ms; }
};

/// Bytes that were sent for one thing.
struct Bytes {
  std::string what;
  std::uint64_t bytes = 0;
};

/// The rate over a stretch of time.
struct Rate {
  double from_ms = 0;  ///< the stretch that it is the mean of
  double to_ms = 0;
  double bytes_per_s = 0;
};

/// A part of the downtime.
struct Part {
  std::string name;
  double ms = 0;
};

/// The time from the end of the source's last step to the start of the target's first, and the hold
/// that comes before it. Milliseconds.
struct Downtime {
  std::optional<double> predicted_ms;  ///< hold and downtime together
  std::optional<double> measured_ms;
  double clock_error_ms = 0;
  double limit_ms = 0;  ///< 0: none
  double hold_ms = 0;
  double scan_ms = 0;
  double send_ms = 0;
  double verify_ms = 0;
  std::vector<Part> process;  ///< what CRIU and a GPU's driver took; empty for a standby
  double grant_ms = 0;        ///< commit and grant: what is left of the measured
  std::uint64_t transferred = 0;
};

/// What the job lost, by both sides' step boundaries (docs/operations.md). Nothing where it is not
/// known. Milliseconds.
struct Lost {
  std::optional<double> stall_ms;  ///< the longest that one step was late
  std::optional<double> lost_ms;   ///< all lateness
  std::optional<double> stall_steps;
  std::optional<double> lost_steps;
  std::optional<double> step_ms;         ///< the median of the steps before the request
  std::optional<double> step_spread_ms;  ///< nine of ten of them took at most so much longer
  std::optional<double> steps_after;     ///< that are in it, of ten
  bool final = false;                    ///< nothing more is added to it
  std::string note;                      ///< why less is known than should be
};

/// What is worth knowing of a migration beside its figures.
struct Finding {
  /// How much it matters.
  enum class Level { note, warning, failure };
  Level level = Level::note;
  std::string text;
};

/// All that is known of one migration.
struct Report {
  std::string id, job, from, to, state;
  std::string result;    ///< "ok", "failed", "cancelled", "checked"; empty while it runs
  std::string asked;     ///< strategy that was asked for
  std::string strategy;  ///< the one that was used; empty: it came to none
  std::string why;       ///< this strategy
  std::optional<Error> error;
  std::int64_t started_at_ms = 0;  ///< Unix time
  double total_ms = 0;
  std::optional<std::uint64_t> step;  ///< at which it moved
  double step_ms = 0;
  std::uint64_t state_bytes = 0;
  std::uint64_t transferred = 0;
  std::uint32_t rounds = 0;
  std::uint64_t log_entries = 0;
  std::uint64_t log_bytes = 0;     ///< before they were packed
  std::uint64_t early_bytes = 0;   ///< of them, sent before their optimizer's step
  std::uint64_t resent_bytes = 0;  ///< of those, sent again
  double replay_ms = 0;
  std::vector<Bytes> bytes;  ///< of `transferred`, by what they were sent for
  double mean_rate = 0;      ///< from the first byte to the last before the freeze
  double peak_rate = 0;
  std::vector<Rate> rates;
  Lost lost;
  Downtime downtime;
  std::vector<Span> states;  ///< of the handover
  std::vector<Span> phases;  ///< of the source's engine
  std::vector<Span> source;  ///< what the source's trainer did
  std::vector<Span> target;  ///< what the target's did, as far as the source's agent knows
  std::vector<Finding> findings;
  std::vector<TimelineSample> samples;

  [[nodiscard]] bool has_moved() const { return result == "ok"; }
};

/// `migration` and `timeline` as the API gives them; what they lack stays empty.
[[nodiscard]] Report make_report(const boost::json::object& migration,
                                 const boost::json::object& timeline);

/// "base_copy" as "base copy".
[[nodiscard]] std::string spelled(std::string_view name);

}  // namespace cardswap::report
