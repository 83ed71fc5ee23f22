#pragma once

#include <boost/json/object.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "agent/handover/source/timeline.h"
#include "migrator/base/error.h"

/// The report of a migration for people: made from the API's Migration and Timeline, and shown as
/// text, as a page or as a trace. Pure functions; nothing here calls an agent.
namespace cardswap::report {

/// A period with a name; in ms since the migration was planned.
struct Span {
  std::string name;
  double from_ms = 0;
  double to_ms = 0;
  [[nodiscard]] double ms() const { return to_ms - from_ms; }
};

/// How many bytes were sent for one purpose.
struct Bytes {
  std::string what;
  std::uint64_t bytes = 0;
};

/// The mean rate over a period.
struct Rate {
  double from_ms = 0;  ///< since the migration was planned; so is `to_ms`
  double to_ms = 0;
  double bytes_per_s = 0;
};

/// A part of the downtime.
struct Part {
  std::string name;
  double ms = 0;
};

/// The time from the end of the source's last step to the start of the target's first one, and the
/// hold: the wait before that last step. In ms, unless the name says bytes.
struct Downtime {
  std::optional<double> predicted_ms;  ///< hold and downtime; nullopt: not predicted
  std::optional<double> measured_ms;   ///< nullopt: not measured
  double clock_error_ms = 0;
  double limit_ms = 0;  ///< 0: none
  double log_wait_ms = 0;
  double scan_ms = 0;
  double send_ms = 0;
  double verify_ms = 0;
  std::vector<Part> process;  ///< what CRIU and the GPU's driver took; empty for a standby
  double grant_ms = 0;        ///< commit and grant: the measured downtime without all other parts
  std::uint64_t transferred = 0;  ///< bytes, during the downtime
};

/// The time that the job lost, from the step boundaries of both sides (docs/operations.md).
/// Nullopt: not known.
struct Lost {
  std::optional<double> stall_ms;  ///< the longest time by which one step was late
  std::optional<double> lost_ms;   ///< the lateness of all steps together
  std::optional<double> stall_steps;
  std::optional<double> lost_steps;
  std::optional<double> step_ms;         ///< the median duration of the steps before the request
  std::optional<double> step_spread_ms;  ///< nine of ten of them took at most this much longer
  std::optional<double> steps_after;     ///< steps after the move that are counted so far, of ten
  bool final = false;                    ///< no further step will be counted
  std::string note;                      ///< why less is known than usual; empty: it is not less
};

/// A rank of a job of many while ranks of it move, or the newcomer of one that moves.
struct Lane {
  std::string name;
  std::vector<Span> states;
};

/// What the communicators took that the ranks exchanged, in ms.
struct Communicator {
  double build_ms = 0;  ///< beside training
  double try_ms = 0;    ///< while all ranks stood; so is `exchange_ms`
  double exchange_ms = 0;
};

/// Something that a user should know about a migration beside its figures.
struct Finding {
  /// How much it matters.
  enum class Level { note, warning, failure };
  Level level = Level::note;
  std::string text;
};

/// All that is known about one migration. A missing figure is 0, a missing text "".
struct Report {
  std::string id, job, from, to, state;
  std::string result;    ///< "ok", "failed", "cancelled", "checked"; empty while it runs
  std::string asked;     ///< the strategy that was asked for
  std::string strategy;  ///< the strategy that was used; empty: none was chosen
  std::string why;       ///< why that strategy was used
  std::optional<Error> error;
  std::int64_t started_at_ms = 0;  ///< Unix time
  double total_ms = 0;
  std::optional<std::uint64_t> step;  ///< the step after which the job moved
  double step_ms = 0;
  std::uint64_t state_bytes = 0;
  std::uint64_t transferred = 0;
  std::uint32_t rounds = 0;
  std::uint64_t log_entries = 0;
  std::uint64_t log_bytes = 0;    ///< of the log's entries, before compression
  std::uint64_t early_bytes = 0;  ///< bytes of the log that were sent before their optimizer's step
  std::uint64_t resent_bytes = 0;  ///< bytes of those that changed and were sent again
  double replay_ms = 0;
  std::vector<Bytes> bytes;  ///< `transferred`, by purpose
  double mean_rate = 0;      ///< bytes/s, from the first sample with bytes to the last one
  double peak_rate = 0;      ///< bytes/s, the highest of `rates`
  std::vector<Rate> rates;
  Lost lost;
  Downtime downtime;
  std::vector<Span> states;  ///< of the handover
  std::vector<Span> phases;  ///< of the source's engine, until it committed or gave up
  std::vector<Span> source;  ///< what the source's trainer did
  std::vector<Span> target;  ///< what the target's trainer did, as far as the source's agent knows
  std::vector<Lane> ranks;   ///< in place of these two, of a job of many ranks
  std::optional<Communicator> communicator;  ///< of a job of many ranks
  std::vector<Finding> findings;
  std::vector<TimelineSample> samples;

  [[nodiscard]] bool has_moved() const { return result == "ok"; }
};

/// Makes the report from the API's answers for one migration; what they lack stays empty. Throws
/// nothing for fields of another type: they count as missing.
[[nodiscard]] Report make_report(const boost::json::object& migration,
                                 const boost::json::object& timeline);

/// "base_copy" becomes "base copy".
[[nodiscard]] std::string spelled(std::string_view name);

}  // namespace cardswap::report
