// The part of DecisionEngine that judges open faults again when the policy is replaced.
#include <fmt/format.h>

#include <algorithm>

#include "agent/health/decisions/decision_engine.h"

namespace cardswap::health {
namespace {

/// The verdict of another policy. It may lower the action, but not the class of the fault.
Policy::Verdict judged_anew(const Policy& policy, const Incident& incident,
                            const std::vector<Ms>& times) {
  Finding finding;
  finding.device = incident.device;
  finding.code = incident.code;
  finding.at = incident.last;
  finding.severity = incident.severity;
  finding.detail = incident.detail;
  finding.labels = incident.labels;
  auto verdict = policy.judge(finding, times);
  if (urgency(verdict.action_class) < urgency(incident.verdict.action_class)) {
    verdict.action_class = incident.verdict.action_class;
    verdict.may_copy = incident.verdict.may_copy;
    verdict.stays = incident.verdict.stays;
    if (!verdict.by_rule) verdict.action = action_of(verdict.action_class);
  }
  return verdict;
}

}  // namespace

void DecisionEngine::use(Policy policy, std::vector<DeviceName> devices, Ms now) {
  policy_ = std::move(policy);
  devices_ = std::move(devices);
  forget_probes(now);
  for (auto& incident : incidents_) {
    incident.logged.clear();
    // The labels of a former agent's alert are not known, so no rule can be chosen until it is
    // posted again.
    if (incident.code.starts_with("alert:") && incident.labels.empty()) continue;
    auto verdict = judged_anew(policy_, incident, history_.times(incident.device, incident.code));
    if (verdict.action != incident.verdict.action) {
      emit_event(incident, "judged_anew",
                 fmt::format("{} now; {}", to_string(verdict.action), verdict.why), now);
      incident.cordoned = incident.cordoned && verdict.action < incident.verdict.action;
    }
    incident.verdict = std::move(verdict);
  }
  changed_ = true;
}

void DecisionEngine::forget_probes(Ms now) {
  const auto dropped = incidents_.erase_if([&](const Incident& incident) {
    const bool of_a_probe =
        incident.code.starts_with("probe:") || incident.code.starts_with("probe_failed:");
    const auto name = incident.code.substr(incident.code.find(':') + 1);
    const bool known =
        std::any_of(policy_.probes.begin(), policy_.probes.end(), [&](const Probe& probe) {
          return probe.name == name &&
                 (incident.device == kHost || probe.device == incident.device ||
                  device_called(devices_, probe.device) == incident.device);
        });
    if (!of_a_probe || known) return false;
    emit_event(incident, "resolved", "the policy has no such probe any more", now);
    return true;
  });
  changed_ = changed_ || dropped > 0;
}

}  // namespace cardswap::health
