#include "migrator/link/ucx/start.h"

#include <arpa/inet.h>
#include <fmt/format.h>

#include <cstdlib>
#include <cstring>
#include <optional>

#include "migrator/base/error.h"
#include "migrator/link/link.h"
#include "migrator/link/ucx/net_devices.h"

namespace cardswap::ucx {
namespace {

/// Before 1.14, UCX's TCP ignored ::1 when it searched for an interface's address, and its settings
/// had other names.
constexpr unsigned kMinorOfBetterV6 = 14;
/// From 1.16 on UCX ignores bridges, but a bridge may have the host's address.
constexpr unsigned kMinorOfBridges = 16;

bool older_than_1(unsigned wanted) {
  unsigned major = 0;
  unsigned minor = 0;
  unsigned release = 0;
  ucp_get_version(&major, &minor, &release);
  return major < 1 || (major == 1 && minor < wanted);
}

std::optional<in6_addr> v6_of(const std::string& host) {
  in6_addr address{};
  const auto zone = host.find('%');
  if (::inet_pton(AF_INET6, host.substr(0, zone).c_str(), &address) != 1) return std::nullopt;
  return address;
}

/// The last four bytes of ::ffff:a.b.c.d.
in_addr v4_inside(const in6_addr& address) {
  in_addr inside{};
  std::memcpy(&inside, &address.s6_addr[12], sizeof(inside));
  return inside;
}

/// By default UCX gives a peer the IPv4 address of an interface. A peer that came over IPv6 could
/// not connect to that.
void prefer_v6(ucp_config_t* config) {
  const char* order = "inet6,inet";
  // 1.13 knows the setting only by its short name, newer releases only by its full name.
  if (!older_than_1(kMinorOfBetterV6) && ucp_config_modify(config, "TCP_AF_PRIO", order) == UCS_OK)
    return;
  check(ucp_config_modify(config, "AF_PRIO", order), "let UCX use IPv6");
}

}  // namespace

Context make_context(const Networks& networks) {
  const auto& transports = networks.transports;
  ucp_config_t* raw_config = nullptr;
  check(ucp_config_read(nullptr, nullptr, &raw_config), "read UCX's settings");
  const Config config(raw_config);
  const auto set = [&](const char* key, const std::string& value) {
    if (value.empty()) return;
    check(ucp_config_modify(config.get(), key, value.c_str()),
          fmt::format("set UCX's {} to '{}'", key, value));
  };
  const auto at = transports.find('@');
  set("TLS", transports.substr(0, at));
  if (at != std::string::npos) {
    set("NET_DEVICES", transports.substr(at + 1));
  } else if (::getenv("UCX_NET_DEVICES") == nullptr) {
    set("NET_DEVICES", devices_to(networks.allowed_addresses, net_interfaces(), rdma_ports()));
  }
  // Older releases do not know the setting and would print a warning.
  if (!older_than_1(kMinorOfBridges) && ::getenv("UCX_TCP_BRIDGE_ENABLE") == nullptr) {
    (void)ucp_config_modify(config.get(), "TCP_BRIDGE_ENABLE", "y");
  }
  const auto v6 = v6_of(networks.host);
  if (v6 && !IN6_IS_ADDR_V4MAPPED(&*v6)) prefer_v6(config.get());
  ucp_params_t params{};
  params.field_mask = UCP_PARAM_FIELD_FEATURES;
  params.features = UCP_FEATURE_AM | UCP_FEATURE_WAKEUP;
  ucp_context_h raw = nullptr;
  check(ucp_init(&params, config.get(), &raw), "start UCX");
  return Context(raw);
}

Worker make_worker(ucp_context_h context) {
  ucp_worker_params_t params{};
  params.field_mask = UCP_WORKER_PARAM_FIELD_THREAD_MODE;
  params.thread_mode = UCS_THREAD_MODE_SINGLE;
  ucp_worker_h raw = nullptr;
  check(ucp_worker_create(context, &params, &raw), "make a UCX worker");
  return Worker(raw);
}

sockaddr_storage numeric_address(const std::string& host, std::uint16_t port, socklen_t& length) {
  sockaddr_storage storage{};
  sockaddr_in v4{};
  sockaddr_in6 v6{};
  const auto in_v6 = v6_of(host);
  const bool mapped = in_v6 && IN6_IS_ADDR_V4MAPPED(&*in_v6);
  if (mapped) v4.sin_addr = v4_inside(*in_v6);
  if (mapped || ::inet_pton(AF_INET, host.c_str(), &v4.sin_addr) == 1) {
    v4.sin_family = AF_INET;
    v4.sin_port = htons(port);
    std::memcpy(&storage, &v4, length = sizeof(v4));
  } else if (in_v6 && IN6_IS_ADDR_LINKLOCAL(&*in_v6)) {
    throw Error(Code::refused,
                fmt::format("{} is a link-local address, and UCX connects to none", host),
                "--data-host takes another address of the target's host");
  } else if (in_v6) {
    v6.sin6_addr = *in_v6;
    v6.sin6_family = AF_INET6;
    v6.sin6_port = htons(port);
    std::memcpy(&storage, &v6, length = sizeof(v6));
  } else {
    throw Error(Code::bad_request, fmt::format("'{}' is no numeric address", host),
                "the data plane takes addresses such as 10.0.0.2 or fd00::2");
  }
  return storage;
}

}  // namespace cardswap::ucx

namespace cardswap {

std::string listening_host(const std::string& host) {
  // UCX knows interfaces by their addresses, and 127.0.0.2 is no interface's.
  if (host.starts_with("127.")) return "127.0.0.1";
  const auto v6 = ucx::v6_of(host);
  const bool loopback = v6 && IN6_IS_ADDR_LOOPBACK(&*v6);
  return loopback && ucx::older_than_1(ucx::kMinorOfBetterV6) ? "127.0.0.1" : host;
}

std::string link_address(const std::string& host, std::uint16_t port) {
  const bool v6 = host.find(':') != std::string::npos;
  return v6 ? fmt::format("[{}]:{}", host, port) : fmt::format("{}:{}", host, port);
}

}  // namespace cardswap
