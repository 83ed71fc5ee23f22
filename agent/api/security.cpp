#include "agent/api/security.h"

#include <fmt/format.h>
#include <grp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <vector>

#include "migrator/error.h"

namespace cardswap {

ApiSecurity ApiSecurity::load(const Config& config) {
  ApiSecurity security;
  if (!config.token_file.empty()) security.tokens = Tokens::load(config.token_file);
  if (config.tls.any()) {
    security.tls = tls::server_context(config.tls, security.tokens.empty());
  }
  if (!config.api_group.empty()) {
    std::array<char, 16384> room{};
    struct group entry {};
    struct group* found = nullptr;
    ::getgrnam_r(config.api_group.c_str(), &entry, room.data(), room.size(), &found);
    if (found == nullptr) {
      throw Error(Code::bad_request, fmt::format("there is no group '{}'", config.api_group),
                  "create it with groupadd, or leave --api-group out");
    }
    security.group = found->gr_gid;
  }
  return security;
}

Caller caller_at(int unix_socket, std::optional<gid_t> group) {
  ucred peer{};
  socklen_t size = sizeof(peer);
  if (::getsockopt(unix_socket, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) {
    return {.name = "nobody", .role = {}, .owner = false};
  }
  const auto name = fmt::format("uid {}", peer.uid);
  if (peer.uid == 0 || peer.uid == ::geteuid()) return Caller::owns(name);
  Caller caller{.name = name, .role = {}, .owner = false};
  if (!group) return caller;
  std::vector<gid_t> groups(65536);  // the most that Linux gives a process
  auto bytes = static_cast<socklen_t>(groups.size() * sizeof(gid_t));
  if (::getsockopt(unix_socket, SOL_SOCKET, SO_PEERGROUPS, groups.data(), &bytes) != 0) bytes = 0;
  groups.resize(bytes / sizeof(gid_t));
  if (peer.gid == *group || std::find(groups.begin(), groups.end(), *group) != groups.end()) {
    caller.role = ApiRole::operator_;
  }
  return caller;
}

}  // namespace cardswap
