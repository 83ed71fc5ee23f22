#pragma once

#include <array>
#include <boost/json/object.hpp>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "agent/health/decisions/finding.h"
#include "agent/health/decisions/policy.h"

namespace cardswap::health {

/// The stage of an incident.
enum class Phase : std::uint8_t {
  waiting,  ///< seen, but not yet for as long as `for` in the policy asks
  active,
  quiet,  ///< its source reported the end; it is kept until it was quiet for resolve_after
};
[[nodiscard]] std::string_view to_string(Phase phase);

/// One open fault of one device. Several sources may report it, several times.
struct Incident {
  std::uint64_t id = 0;
  std::string device;
  std::string code;  ///< canonical()
  std::string text;  ///< what the table says about the code
  std::string detail;
  Policy::Verdict verdict;
  Severity severity = Severity::none;
  Phase phase = Phase::waiting;
  std::array<bool, kSources> seen_by{};
  unsigned count = 0;  ///< how often the fault happened, however many sources reported it
  Ms first = 0;
  Ms last = 0;
  Ms active_at = 0;  ///< when it becomes, or became, active
  Ms quiet_since = 0;
  bool lasting = false;
  std::set<std::string> raised_by;  ///< lasting: the sources that report it now
  std::optional<int> pid;
  std::vector<std::pair<std::string, std::string>> labels;  ///< an alert's; not journalled
  bool cordoned = false;                  ///< its cordons are set; false in observe mode
  Ms cordon_after = 0;                    ///< not before this time is the cordon tried again
  std::map<std::string, unsigned> tries;  ///< moves that failed, by job uid
  /// When a job's move is tried again, and why not now.
  struct RetryAt {
    Ms at = 0;
    std::string why;
  };
  std::map<std::string, RetryAt> not_before;  ///< by job uid
  std::set<std::string> logged;               ///< keys of the events that were emitted once
};

/// Whether its cordons and moves are for the whole host, not for one device.
[[nodiscard]] inline bool wants_drain(const Incident& incident) {
  return incident.verdict.action == PolicyAction::drain || incident.device == kHost;
}

/// The exit code of a Nagios check for it: 0 OK, 1 WARNING, 2 CRITICAL.
[[nodiscard]] int nagios_code_of(const Incident& incident);

/// The incident for the API and the journal.
[[nodiscard]] boost::json::object to_json(const Incident& incident);
/// Reads the fields that a restarted agent needs: a broken device is still broken. Missing fields
/// have their defaults.
[[nodiscard]] Incident incident_from_journal(const boost::json::object& record);

/// What the monitor did and why, or in observe mode would have done.
struct HealthEvent {
  Ms at = 0;
  std::string kind;
  std::string device;
  std::string code;
  std::string job;
  std::string migration;  ///< its id; empty: it is about none
  std::string text;
  bool of_alerts = false;  ///< caused by an alert that was posted, not by a finding of this agent
};
[[nodiscard]] boost::json::object to_json(const HealthEvent& event);

}  // namespace cardswap::health
