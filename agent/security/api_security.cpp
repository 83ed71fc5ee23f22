#include "agent/security/api_security.h"

#include <fmt/format.h>
#include <grp.h>
#include <pwd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <vector>

#include "agent/security/loopback_peer.h"
#include "migrator/base/error.h"

namespace cardswap {
namespace {

/// Whether the accounts say that `uid` is in `group`: a TCP socket has an owner but no groups.
bool is_member(uid_t uid, gid_t group) {
  std::array<char, 16384> room{};
  passwd entry{};
  passwd* found = nullptr;
  ::getpwuid_r(uid, &entry, room.data(), room.size(), &found);
  if (found == nullptr) return false;
  int count = 65536;  // the most that Linux gives a process
  std::vector<gid_t> groups(static_cast<std::size_t>(count));
  if (::getgrouplist(found->pw_name, found->pw_gid, groups.data(), &count) < 0) return false;
  groups.resize(static_cast<std::size_t>(count));
  return std::find(groups.begin(), groups.end(), group) != groups.end();
}

}  // namespace

ApiSecurity ApiSecurity::load(const Config& config) {
  ApiSecurity security;
  security.insecure = config.insecure_listen;
  std::array<char, 256> system_name{};
  ::gethostname(system_name.data(), system_name.size() - 1);
  security.names = {config.host_name, system_name.data()};
  if (!config.token_file.empty()) security.tokens = Tokens::load(config.token_file);
  if (config.tls.is_configured()) {
    security.tls = tls::server_context(config.tls, security.tokens.empty());
    security.endings = tls::endings(config.tls);
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
  if (peer.uid == 0 || peer.uid == ::geteuid()) {
    auto owner = Caller::owns(name);
    owner.uid = peer.uid;
    return owner;
  }
  Caller caller{.name = name, .role = {}, .owner = false, .uid = peer.uid};
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

Caller caller_over_plain_tcp(const ApiSecurity& security,
                             const boost::asio::ip::tcp::endpoint& here,
                             const boost::asio::ip::tcp::endpoint& there) {
  Caller caller{.name = "TCP without TLS", .role = {}, .owner = false};
  if (security.insecure) {
    caller.role = ApiRole::operator_;
    caller.also_agent = true;
    return caller;
  }
  caller.uid = user_at(here, there);
  if (!caller.uid) return caller;
  caller.name = fmt::format("uid {}", *caller.uid);
  caller.also_agent = *caller.uid == 0 || *caller.uid == ::geteuid();
  if (caller.also_agent || (security.group && is_member(*caller.uid, *security.group))) {
    caller.role = ApiRole::operator_;
  }
  return caller;
}

}  // namespace cardswap
