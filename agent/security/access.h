#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace cardswap {

/// What a caller of the API may do: the role in its certificate (SAN URI cardswap://role/NAME) or
/// of its token; and what a call needs.
enum class ApiRole : std::uint8_t {
  anybody,  ///< needed by calls of probes; no caller has this role
  member,  ///< needed by calls that viewers, operators and agents may make; no caller has this role
  viewer,  ///< reads: every GET that is not between agents
  operator_,  ///< acts on jobs, migrations, cordons and health; reads, too
  agent,      ///< another host's agent: /v1/peer/..., and what it chooses a target by
  alerts,     ///< posts alerts, and nothing else; operators may post them, too
};

/// "anybody", "member", "viewer", "operator", "agent", "alerts".
[[nodiscard]] std::string_view to_string(ApiRole role);
/// The role with that name. Nullopt: it is another text, "anybody" or "member".
[[nodiscard]] std::optional<ApiRole> role_from_string(std::string_view text);

/// Who sent a request, as far as its connection or token proves it.
struct Caller {
  std::string name;             ///< for logs: "alice", "uid 1000", "nobody"
  std::optional<ApiRole> role;  ///< nullopt: unless `owner`, a caller that this agent does not know
  bool owner = false;  ///< root or the agent's own user, over the unix socket: may do everything
  bool also_agent = false;  ///< an operator that may do what another host's agent may, too
  std::optional<std::uint32_t> uid = {};  ///< the user, if the kernel says it
  /// The addresses that the call came to and from, in the form of canonical_host(). Empty: it came
  /// over the unix socket.
  std::string came_to = {};
  std::string came_from = {};
  /// The names and addresses in its certificate, as they are written there.
  std::vector<std::string> hosts = {};

  /// A caller that owns the agent.
  [[nodiscard]] static Caller owns(std::string name) {
    return {.name = std::move(name), .role = {}, .owner = true};
  }
  [[nodiscard]] bool is_known() const { return owner || role.has_value(); }
  /// Whether it may make a call that needs `needed`.
  [[nodiscard]] bool may(ApiRole needed) const;
  /// Whether its certificate is for `host`. "*.example.org" in a certificate is for every name with
  /// exactly one label more.
  [[nodiscard]] bool is_for(std::string_view host) const;
  /// Whether it may see the uids of jobs. A uid identifies a job on any host.
  [[nodiscard]] bool may_see_uids() const { return owner || role == ApiRole::operator_; }
};

/// One call of the API and the role that it needs.
struct AccessRule {
  std::string_view method;
  std::string_view pattern;  ///< as Router::add() has it
  ApiRole role;
};

/// Every call of the API: the only place that says who may do what.
[[nodiscard]] std::span<const AccessRule> access_rules();

/// The role that a call needs. A call without a rule needs an agent if it is under /v1/peer/, else
/// an operator.
[[nodiscard]] ApiRole role_for(std::string_view method, std::string_view pattern);
/// Whether a request is answered without knowing its caller: the calls of probes, which have
/// neither certificate nor token. `target` may have a query.
[[nodiscard]] bool is_open_to_anybody(std::string_view method, std::string_view target);
/// Whether access_rules() has the call; the tests ask this for every call of the router.
[[nodiscard]] bool has_access_rule(std::string_view method, std::string_view pattern);

}  // namespace cardswap
