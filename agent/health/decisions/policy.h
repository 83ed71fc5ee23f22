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
enum class Action : std::uint8_t {
  ignore,   ///< counted
  alert,    ///< an event for people
  cordon,   ///< no new job is placed on the device
  migrate,  ///< cordon, and move the device's jobs live
  drain,    ///< cordon, and move every job of the host that can move live
};
[[nodiscard]] const char* to_string(Action action);

/// One of the policy file's `rules`. Empty fields match everything; '*' stands for anything.
struct Rule {
  std::string code;
  std::string device;
  Severity severity = Severity::none;  ///< at least
  std::vector<std::pair<std::string, std::string>> labels;
  std::optional<Action> action;
  std::optional<Ms> hold;           ///< `for`
  std::optional<Ms> resolve_after;  ///< over after it was quiet for this long
  int line = 0;
};

/// One of the policy file's `probes`.
struct Probe {
  std::string name;
  std::string device = std::string(kHost);
  std::string file;               ///< its first line: "0 all well" ... "2 text"; or
  std::vector<std::string> argv;  ///< run without a shell; exit code 0, 1, 2 or 3
  Ms every = 30'000;
  Ms timeout = 10'000;
};

/// The content of --health-policy FILE; a missing key has the default here. docs/health.md
/// describes each.
struct Policy {
  bool act = false;  ///< `mode: act`; otherwise the monitor only logs what it would do
  unsigned moves_at_once = 2;
  unsigned moves_per_hour = 12;
  Ms job_cooldown = 600'000;
  Ms device_cooldown = 600'000;
  Ms retry_after = 30'000;
  unsigned tries = 3;  ///< of one job for one fault
  unsigned breaker_failures = 3;
  unsigned breaker_devices_percent = 50;  ///< and at least breaker_devices_min of them
  unsigned breaker_devices_min = 3;
  Ms breaker_window = 300'000;
  Ms breaker_reset = 900'000;
  Ms merge_window = 10'000;
  Ms resolve_after = 600'000;
  MigrationSpec migration;          ///< of each move, but for its job and its target
  Ms deadline = 30'000;             ///< instead of its timeout for what may hang: live_deadline
  std::vector<std::string> spares;  ///< "HOST[:PORT]/DEVICE", or "HOST[:PORT]": any device there
  std::vector<std::string> stay;    ///< jobs that are never moved, with '*'
  std::vector<DeviceName> devices;  ///< UUIDs and PCI addresses of this agent's devices
  std::vector<Rule> rules;          ///< the first that matches decides
  std::vector<Probe> probes;

  /// What is to be done about a finding.
  struct Verdict {
    Class action_class = Class::report;
    Action action = Action::alert;
    Ms hold = 0;
    Ms resolve_after = 0;
    bool stays = false;
    bool may_copy = true;
    bool by_rule = false;  ///< a rule of the policy decided, not the table
    std::string why;       ///< "table DATE: live" or "rule in line 12 of the policy"
  };
  /// What to do about a finding that was seen `times` on its device. A rule may ask for more, but
  /// never for a copy of memory that is not trusted.
  [[nodiscard]] Verdict judge(const Finding& finding, const std::vector<Ms>& times) const;
  [[nodiscard]] bool must_stay(std::string_view job) const;
};

/// The action of a class without a rule.
[[nodiscard]] Action action_of(Class action_class);

}  // namespace cardswap::health
