#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace cardswap {

/// What a caller of the API may be: the role in a certificate (SAN URI cardswap://role/NAME) or of
/// a token; and what a call needs.
enum class ApiRole : std::uint8_t {
  anybody,    ///< needed by calls that ask for no role; nobody has it as a role
  member,     ///< needed by what viewers, operators and agents ask; nobody has it as a role
  viewer,     ///< looks: every GET that is not between agents
  operator_,  ///< acts: jobs, migrations; looks too
  agent,      ///< another host's agent: /v1/peer/..., and what a place is chosen by
  alerts,     ///< tells of alerts, and nothing else; operators may too
};

/// "anybody", "member", "viewer", "operator", "agent", "alerts".
[[nodiscard]] std::string_view to_string(ApiRole role);
/// The role of that name, if a caller can have it: not "anybody" and not "member".
[[nodiscard]] std::optional<ApiRole> role_from_string(std::string_view text);

/// Who sent a request, as far as its connection proves it.
struct Caller {
  std::string name;             ///< for logs: "alice", "uid 1000", "nobody"
  std::optional<ApiRole> role;  ///< none: nobody that this agent knows
  bool owner = false;           ///< root or the agent's own user: may everything
  bool also_agent = false;      ///< an operator that may what another host's agent may, too
  std::optional<std::uint32_t> uid = {};  ///< where the kernel tells
  /// The address of this host that was called over TCP, and the one that the call came from; as
  /// canonical_host has them. Empty: the unix socket.
  std::string came_to = {};
  std::string came_from = {};
  /// Names and addresses of the host that its certificate is for, as they stand there.
  std::vector<std::string> hosts = {};

  [[nodiscard]] static Caller owns(std::string name) {
    return {.name = std::move(name), .role = {}, .owner = true};
  }
  [[nodiscard]] bool is_known() const { return owner || role.has_value(); }
  [[nodiscard]] bool may(ApiRole needed) const;
  /// Whether its certificate is one for `host`: "*.example.org" is for each name with one more
  /// part.
  [[nodiscard]] bool is_for(std::string_view host) const;
  /// Whether it sees the uids of jobs, by which agents know a job wherever it runs.
  [[nodiscard]] bool may_see_uids() const { return owner || role == ApiRole::operator_; }
};

/// One call of the API and the role that it needs.
struct AccessRule {
  std::string_view method;
  std::string_view pattern;  ///< as Router::on has it
  ApiRole role;
};

/// Every call of the API: the only place that says who may do what.
[[nodiscard]] std::span<const AccessRule> access_rules();

/// The role that a call needs. One without a rule is not open to viewers: agents' calls need an
/// agent and the rest an operator.
[[nodiscard]] ApiRole role_for(std::string_view method, std::string_view pattern);
/// Whether a request (its target with or without a query) is answered without knowing its caller:
/// those of probes, which have neither certificate nor token.
[[nodiscard]] bool is_open_to_anybody(std::string_view method, std::string_view target);
[[nodiscard]] bool has_access_rule(std::string_view method, std::string_view pattern);

}  // namespace cardswap
