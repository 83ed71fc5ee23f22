#pragma once

#include <array>
#include <boost/json/object.hpp>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "agent/health/decisions/finding.h"
#include "agent/health/decisions/policy.h"

namespace cardswap::health {

/// How far an incident is.
enum class Phase : std::uint8_t {
  waiting,  ///< seen, but for less time than `for` asks
  active,
  quiet,  ///< its source reported the end; kept until it stayed quiet long enough
};
[[nodiscard]] const char* to_string(Phase phase);

/// One fault of one device; several sources may report it, several times.
struct Incident {
  std::uint64_t id = 0;
  std::string device;
  std::string code;  ///< canonical()
  std::string text;  ///< the table's text
  std::string detail;
  Policy::Verdict verdict;
  Severity severity = Severity::none;
  Phase phase = Phase::waiting;
  std::array<bool, kSources> seen_by{};
  unsigned count = 0;  ///< how often it happened, not how many sources reported it
  Ms first = 0;
  Ms last = 0;
  Ms active_at = 0;  ///< waiting: when it becomes active
  Ms quiet_since = 0;
  bool lasting = false;
  std::set<std::string> raised_by;  ///< lasting: the sources that report it now
  std::optional<int> pid;
  std::vector<std::pair<std::string, std::string>> labels;  ///< an alert's; not journalled
  bool cordoned = false;                  ///< its cordons are set, not only logged
  Ms cordon_after = 0;                    ///< when the cordon is tried again
  std::map<std::string, unsigned> tries;  ///< job uid: moves that failed
  /// When a job is tried again, and why not now.
  struct RetryAt {
    Ms at = 0;
    std::string why;
  };
  std::map<std::string, RetryAt> not_before;  ///< job uid: when the next try may be
  std::set<std::string> logged;               ///< keys of events that were logged
};

/// Whether every job must leave the host.
[[nodiscard]] inline bool wants_drain(const Incident& incident) {
  return incident.verdict.action == Action::drain || incident.device == kHost;
}

/// The exit code of a Nagios check: 0, 1 or 2; well, warning, critical.
[[nodiscard]] int state_of(const Incident& incident);

/// The incident for the API and for the journal.
[[nodiscard]] boost::json::object to_json(const Incident& incident);
/// The part that a restarted agent needs: a broken device is still broken.
[[nodiscard]] Incident incident_from_journal(const boost::json::object& record);

/// What the monitor did, or in observe mode would have done, and why.
struct Event {
  Ms at = 0;
  std::string kind;
  std::string device;
  std::string code;
  std::string job;
  std::string migration;
  std::string text;
  bool of_alerts = false;  ///< told by whoever may post alerts, not found by this agent
};
[[nodiscard]] boost::json::object to_json(const Event& event);

}  // namespace cardswap::health
