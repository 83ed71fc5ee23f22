#include "agent/health/decisions/policy.h"

#include <fmt/format.h>

#include <algorithm>

namespace cardswap::health {
namespace {

bool applies(const PolicyRule& rule, const Finding& finding) {
  if (!rule.code.empty() && !matches(rule.code, finding.code) &&
      !matches(rule.code, canonical(finding.code))) {
    return false;
  }
  if (!rule.device.empty() && !matches(rule.device, finding.device)) return false;
  if (finding.severity < rule.severity) return false;
  return std::all_of(rule.labels.begin(), rule.labels.end(), [&](const auto& wanted) {
    return std::any_of(finding.labels.begin(), finding.labels.end(), [&](const auto& has) {
      return has.first == wanted.first && matches(wanted.second, has.second);
    });
  });
}

}  // namespace

std::string_view to_string(PolicyAction action) {
  switch (action) {
    case PolicyAction::ignore: return "ignore";
    case PolicyAction::alert: return "alert";
    case PolicyAction::cordon: return "cordon";
    case PolicyAction::recover: return "recover";
    case PolicyAction::migrate: return "migrate";
    case PolicyAction::drain: return "drain";
  }
  return "";
}

PolicyAction action_of(ActionClass action_class) {
  switch (action_class) {
    case ActionClass::ignore: return PolicyAction::ignore;
    case ActionClass::report:
    case ActionClass::restart_same: return PolicyAction::alert;
    case ActionClass::live_low:
    case ActionClass::live:
    case ActionClass::live_deadline:
    case ActionClass::contained: return PolicyAction::migrate;
    case ActionClass::restart_other: return PolicyAction::recover;
    case ActionClass::node: return PolicyAction::drain;
  }
  return PolicyAction::alert;
}

Policy::Verdict Policy::judge(const Finding& finding, const std::vector<Ms>& times) const {
  const auto code = canonical(finding.code);
  const auto meaning = meaning_of(code, finding.detail);
  Verdict verdict;
  verdict.action_class = meaning.action_class;
  verdict.hold = meaning.hold;
  verdict.stays = meaning.stays;
  verdict.resolve_after = resolve_after;
  verdict.why = fmt::format("table {}: {}", kTableVersion, to_string(meaning.action_class));
  if (meaning.escalation.count > 0) {
    const auto since = finding.at - meaning.escalation.window;
    const auto recent =
        std::count_if(times.begin(), times.end(), [&](Ms at) { return at >= since; });
    if (recent >= static_cast<std::ptrdiff_t>(meaning.escalation.count)) {
      verdict.action_class = meaning.escalation.becomes;
      verdict.why =
          fmt::format("table {}: {} times within {} h is {}", kTableVersion, recent,
                      meaning.escalation.window / 3'600'000, to_string(verdict.action_class));
    }
  }
  verdict.action = action_of(verdict.action_class);
  verdict.may_copy = health::may_copy(verdict.action_class);
  for (const auto& rule : rules) {
    if (!applies(rule, finding)) continue;
    if (rule.action) verdict.action = *rule.action;
    if (rule.hold) verdict.hold = *rule.hold;
    if (rule.resolve_after) verdict.resolve_after = *rule.resolve_after;
    verdict.by_rule = true;
    verdict.why = fmt::format("rule in line {} of the policy", rule.line);
    break;
  }
  return verdict;
}

bool Policy::must_stay(std::string_view job) const {
  return std::any_of(stay.begin(), stay.end(),
                     [&](const auto& pattern) { return matches(pattern, job); });
}

}  // namespace cardswap::health
