#include "agent/health/sources/own_host.h"

#include <algorithm>
#include <array>
#include <boost/asio/ip/address.hpp>
#include <optional>

#include "agent/base/address.h"
#include "migrator/base/net_interfaces.h"

namespace cardswap::health {
namespace {

namespace ip = boost::asio::ip;

/// Prefixes of interfaces whose addresses may be the same on every host of a fleet: those of
/// container engines, service proxies and virtual machines.
constexpr std::array kAlikeEverywhere{
    "lo",   "docker", "br-",       "virbr",        "cni",     "podman", "lxcbr", "lxdbr", "incusbr",
    "cali", "veth",   "kube-ipvs", "nodelocaldns", "flannel", "cilium", "tunl",  "weave", "dummy"};

constexpr std::array kNobody{"localhost", "localhost.localdomain", "localhost4", "localhost6",
                             "unknown", "none", "null", "nil", "na", "n/a", "-", "<none>",
                             "<unknown>", "<no value>",
                             // node_uname_info's `machine`
                             "x86_64", "amd64", "aarch64", "arm64", "ppc64le"};

std::string lower(std::string_view text) {
  std::string result(text);
  for (auto& c : result) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return result;
}

std::optional<ip::address> ip_of(std::string_view host) {
  boost::system::error_code error;
  auto address = ip::make_address(std::string(host), error);
  if (error) return std::nullopt;
  if (address.is_v6() && address.to_v6().is_v4_mapped()) {
    return ip::make_address_v4(ip::v4_mapped, address.to_v6());
  }
  return address;
}

/// Whether every host has such an address: loopback, any, multicast, link-local.
bool names_nobody(const ip::address& address) {
  if (address.is_loopback() || address.is_unspecified() || address.is_multicast()) return true;
  if (address.is_v6()) return address.to_v6().is_link_local();
  return (address.to_v4().to_uint() >> 16U) == 0xa9fe;
}

/// "node7:9400" of "https://user@node7:9400/metrics".
std::string_view authority(std::string_view said) {
  if (const auto scheme = said.find("://"); scheme != std::string_view::npos) {
    said.remove_prefix(scheme + 3);
    said = said.substr(0, said.find_first_of("/?#"));
    if (const auto user = said.rfind('@'); user != std::string_view::npos) {
      said.remove_prefix(user + 1);
    }
  }
  return said;
}

std::string_view short_name(std::string_view host) { return host.substr(0, host.find('.')); }

bool same_name(std::string_view one, std::string_view other) {
  if (one == other) return true;
  const bool both_full =
      one.find('.') != std::string_view::npos && other.find('.') != std::string_view::npos;
  return !both_full && short_name(one) == short_name(other);
}

std::string without_dot(std::string text) {
  if (text.ends_with('.')) text.pop_back();
  return text;
}

}  // namespace

bool OwnHost::is_address(std::string_view said) {
  const auto parsed = address_from(authority(said));
  return parsed && ip_of(parsed->host).has_value();
}

OwnHost::Match OwnHost::match(std::string_view said) const {
  const auto name = lower(authority(said));
  if (name.empty() || std::find(kNobody.begin(), kNobody.end(), name) != kNobody.end()) {
    return Match::nobody;
  }
  const auto parsed = address_from(name);
  if (!parsed)
    return Match::another;  // whoever that is, it is not this host by any name of its own
  const auto is_one_of = [&](const std::vector<std::string>& list) {
    return std::any_of(list.begin(), list.end(),
                       [&](const auto& own) { return is_same_host(own, parsed->host); });
  };
  if (const auto address = ip_of(parsed->host)) {
    if (names_nobody(*address) || is_one_of(shared)) return Match::nobody;
    return is_one_of(addresses) ? Match::us : Match::another;
  }
  const auto host = without_dot(parsed->host);
  if (std::find(kNobody.begin(), kNobody.end(), host) != kNobody.end()) return Match::nobody;
  for (const auto& own : names) {
    if (same_name(without_dot(lower(own)), host)) return Match::us;
  }
  // For some exporters "node" is the number of a NUMA node.
  const bool index = host.find_first_not_of("0123456789") == std::string::npos;
  return index ? Match::nobody : Match::another;
}

OwnHost own_host(const Config& config) {
  OwnHost own;
  const auto add = [&](const std::string& host) {
    const auto address = ip_of(host);
    if (!address) {
      if (own.match(host) != OwnHost::Match::nobody) own.names.push_back(host);
    } else if (!names_nobody(*address)) {
      own.addresses.push_back(address->to_string());
    }
  };
  add(config.host_name);
  add(config.data_host);
  add(config.listen_host);
  for (const auto& one : net_interfaces()) {
    const bool alike =
        std::any_of(kAlikeEverywhere.begin(), kAlikeEverywhere.end(),
                    [&](const char* prefix) { return one.name.starts_with(prefix); });
    for (const auto& text : one.addresses) {
      const auto address = ip_of(text);
      if (!address || names_nobody(*address)) continue;
      (alike ? own.shared : own.addresses).push_back(address->to_string());
    }
  }
  // An address in the agent's configuration is this host's own, whatever its interface is.
  std::erase_if(own.shared, [&](const auto& address) {
    return std::find(own.addresses.begin(), own.addresses.end(), address) != own.addresses.end();
  });
  return own;
}

}  // namespace cardswap::health
