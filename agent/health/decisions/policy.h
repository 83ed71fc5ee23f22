#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "agent/health/decisions/finding.h"
#include "agent/health/decisions/xid_table.h"
#include "migrator/plan/migration_spec.h"

namespace cardswap::health {

/// What the monitor does about a fault.
enum class PolicyAction : std::uint8_t {
  ignore,   ///< it is counted only
  alert,    ///< an event for people
  cordon,   ///< no new job is placed on the device
  recover,  ///< cordon, and let its protected jobs go on elsewhere from their newest snapshots
  migrate,  ///< cordon, and move the device's jobs live
  drain,    ///< cordon, and move every job of the host that can move live
};
[[nodiscard]] std::string_view to_string(PolicyAction action);

/// One of the policy file's `rules`. Empty fields match everything; '*' stands for any text.
struct PolicyRule {
  std::string code;
  std::string device;
  Severity severity = Severity::none;  ///< the least that matches
  std::vector<std::pair<std::string, std::string>> labels;
  std::optional<PolicyAction> action;
  std::optional<Ms> hold;           ///< `for`: the fault must last this long first
  std::optional<Ms> resolve_after;  ///< the incident ends after it was quiet for this long
  int line = 0;                     ///< of the policy file, for texts
};

/// One of the policy file's `probes`: a file that is read or a program that is run.
struct Probe {
  std::string name;
  std::string device = std::string(kHost);
  std::string file;  ///< its first line is "0 all well" ... "2 text"; empty: `argv` is run
  std::vector<std::string> argv;  ///< run without a shell; exit code 0, 1, 2 or 3
  Ms every = 30'000;
  Ms timeout = 10'000;
};

/// The content of --health-policy FILE; a missing key has the default given here. docs/health.md
/// describes each key.
struct Policy {
  bool act = false;  ///< `mode: act`; otherwise the monitor only logs what it would do
  unsigned moves_at_once = 2;
  unsigned moves_per_hour = 12;
  Ms job_cooldown = 600'000;
  Ms device_cooldown = 600'000;
  Ms retry_after = 30'000;
  unsigned tries = 3;  ///< moves of one job for one fault
  unsigned breaker_failures = 3;
  unsigned breaker_devices_percent = 50;  ///< and at least breaker_devices_min of them
  unsigned breaker_devices_min = 3;
  Ms breaker_window = 300'000;
  Ms breaker_reset = 900'000;
  Ms merge_window = 10'000;
  Ms resolve_after = 600'000;
  MigrationSpec migration;  ///< for each move, without job and target
  Ms deadline = 30'000;  ///< the timeout of a move that is urgent, instead of that of `migration`
  std::vector<std::string> spares;  ///< "HOST[:PORT]/DEVICE", or "HOST[:PORT]": any device there
  std::vector<std::string> stay;    ///< jobs that are never moved, with '*'
  std::vector<DeviceName> devices;  ///< UUIDs and PCI addresses of this agent's devices
  std::vector<PolicyRule> rules;    ///< the first that matches decides
  std::vector<Probe> probes;

  /// What is to be done about a finding, and what it means.
  struct Verdict {
    ActionClass action_class = ActionClass::report;
    PolicyAction action = PolicyAction::alert;
    Ms hold = 0;
    Ms resolve_after = 0;
    bool stays = false;    ///< as in Meaning
    bool may_copy = true;  ///< the device's memory may be copied
    bool by_rule = false;  ///< a rule of the policy decided, not the table
    std::string why;       ///< "table DATE: live" or "rule in line 12 of the policy"
  };
  /// Judges a finding; `times` are those at which this fault happened on its device. A rule may
  /// change the action, but not whether the memory may be copied.
  [[nodiscard]] Verdict judge(const Finding& finding, const std::vector<Ms>& times) const;
  /// Whether the policy says that the job is never moved.
  [[nodiscard]] bool must_stay(std::string_view job) const;
};

/// The action for a class if no rule of the policy says another one.
[[nodiscard]] PolicyAction action_of(ActionClass action_class);

}  // namespace cardswap::health
