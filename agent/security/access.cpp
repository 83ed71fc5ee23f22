#include "agent/security/access.h"

#include <algorithm>
#include <array>

#include "agent/base/address.h"

namespace cardswap {
namespace {

using enum ApiRole;

constexpr auto kRules = std::to_array<AccessRule>({
    {"GET", "/healthz", anybody},
    {"GET", "/readyz", anybody},
    {"GET", "/metrics", viewer},
    {"GET", "/v1/version", member},
    {"GET", "/v1/devices", member},
    {"GET", "/v1/jobs", viewer},
    {"POST", "/v1/jobs", operator_},
    {"GET", "/v1/jobs/{name}", viewer},
    {"DELETE", "/v1/jobs/{name}", operator_},
    {"POST", "/v1/jobs/{name}/stop", operator_},
    {"GET", "/v1/jobs/{name}/logs", viewer},
    {"GET", "/v1/jobs/{name}/outcome", viewer},
    {"POST", "/v1/jobs/{name}/signal", operator_},
    {"POST", "/v1/jobs/{name}/protection", operator_},
    {"DELETE", "/v1/jobs/{name}/protection", operator_},
    {"GET", "/v1/jobs/{name}/state", viewer},
    {"POST", "/v1/jobs/{name}/resume", operator_},
    {"POST", "/v1/jobs/{name}/rollback", operator_},
    {"POST", "/v1/restores", operator_},
    {"GET", "/v1/migrations", viewer},
    {"POST", "/v1/migrations", operator_},
    {"GET", "/v1/migrations/{id}", viewer},
    {"GET", "/v1/migrations/{id}/timeline", viewer},
    {"POST", "/v1/migrations/{id}/cancel", operator_},
    {"POST", "/v1/migrations/{id}/resolve", operator_},
    {"POST", "/v1/migrations/{id}/proceed", operator_},
    {"GET", "/v1/cordon", viewer},
    {"POST", "/v1/cordon", operator_},
    {"DELETE", "/v1/cordon", operator_},
    {"GET", "/v1/peers", viewer},
    {"GET", "/v1/health", viewer},
    {"POST", "/v1/health/clear", operator_},
    {"POST", "/v1/alerts", alerts},  // Alertmanager shows a token of its own
    {"GET", "/v1/events", viewer},
    {"POST", "/v1/peer/reservations", agent},
    {"GET", "/v1/peer/reservations/{id}", agent},
    {"DELETE", "/v1/peer/reservations/{id}", agent},
    {"POST", "/v1/peer/reservations/{id}/grant", agent},
    {"GET", "/v1/peer/decisions/{id}", agent},
    {"POST", "/v1/peer/gangs", agent},
    {"GET", "/v1/peer/gangs/{id}", agent},
    {"POST", "/v1/peer/gangs/{id}/cancel", agent},
    {"POST", "/v1/peer/gangs/{id}/ranks/{rank}/order", agent},
    {"GET", "/v1/peer/gangs/{id}/ranks/{rank}", agent},
    {"GET", "/v1/peer/gangs/{id}/ranks/{rank}/decision", agent},
    {"GET", "/v1/peer/ranks/{job}/{rank}", agent},
    {"GET", "/v1/peer/outcomes/{uid}/{rank}", agent},
    {"POST", "/v1/peer/outcomes/{uid}/{rank}/signal", agent},
});

const AccessRule* rule_for(std::string_view method, std::string_view pattern) {
  const auto* found = std::find_if(kRules.begin(), kRules.end(), [&](const AccessRule& rule) {
    return rule.method == method && rule.pattern == pattern;
  });
  return found == kRules.end() ? nullptr : found;
}

}  // namespace

std::string_view to_string(ApiRole role) {
  switch (role) {
    case anybody: return "anybody";
    case member: return "member";
    case viewer: return "viewer";
    case operator_: return "operator";
    case agent: return "agent";
    case alerts: return "alerts";
  }
  return "?";
}

std::optional<ApiRole> role_from_string(std::string_view text) {
  for (const auto role : {viewer, operator_, agent, alerts}) {
    if (text == to_string(role)) return role;
  }
  return std::nullopt;
}

bool Caller::may(ApiRole needed) const {
  if (owner || needed == anybody) return true;
  if (also_agent && needed == agent) return true;
  if (!role) return false;
  switch (needed) {
    case member: return *role != alerts;
    case viewer: return *role == viewer || *role == operator_;
    case alerts: return *role == alerts || *role == operator_;
    default: return *role == needed;
  }
}

bool Caller::is_for(std::string_view host) const {
  const auto wanted = canonical_host(without_zone(host));
  return std::ranges::any_of(hosts, [&](const std::string& named) {
    const auto canonical = canonical_host(named);
    if (!canonical.starts_with("*.")) return canonical == wanted;
    const auto dot = wanted.find('.');
    return dot != std::string::npos && dot > 0 && wanted.substr(dot) == canonical.substr(1);
  });
}

std::span<const AccessRule> access_rules() { return kRules; }

bool has_access_rule(std::string_view method, std::string_view pattern) {
  return rule_for(method, pattern) != nullptr;
}

bool is_open_to_anybody(std::string_view method, std::string_view target) {
  const auto* rule = rule_for(method, target.substr(0, target.find('?')));
  return rule != nullptr && rule->role == anybody;
}

ApiRole role_for(std::string_view method, std::string_view pattern) {
  if (const auto* rule = rule_for(method, pattern)) return rule->role;
  return pattern.starts_with("/v1/peer/") ? agent : operator_;
}

}  // namespace cardswap
