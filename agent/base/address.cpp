#include "agent/base/address.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/ip/address.hpp>

#include "agent/base/text_parts.h"
#include "migrator/base/error.h"

namespace cardswap {
namespace {

namespace ip = boost::asio::ip;

constexpr std::size_t kHostMax = 253;  // of a name in the DNS
constexpr std::size_t kZoneMax = 15;   // IFNAMSIZ without its end

/// Checks an IPv6 zone, the text behind '%': Asio accepts any text, because only the kernel reads
/// it.
bool is_zone(std::string_view zone) {
  return zone.size() <= kZoneMax && std::all_of(zone.begin(), zone.end(), [](char c) {
           return c > ' ' && c < 0x7f && c != '%' && c != '/' && c != ']';
         });
}

bool is_v6(std::string_view host) {
  if (const auto at = host.find('%'); at != host.npos && !is_zone(host.substr(at + 1)))
    return false;
  boost::system::error_code error;
  (void)ip::make_address_v6(std::string(host), error);
  return !error;
}

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

bool is_name(std::string_view host) {
  const auto allowed = [](char c) {
    const char l = lower(c);
    return (l >= 'a' && l <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '-' || c == '_';
  };
  return !host.empty() && host.size() <= kHostMax && host.front() != '-' &&
         std::all_of(host.begin(), host.end(), allowed);
}

std::optional<std::uint16_t> port_from(std::string_view text, bool any_port) {
  const auto port = number_in<std::uint16_t>(text);
  return port == 0 && !any_port ? std::nullopt : port;
}

std::optional<ip::address> ip_of(std::string_view host) {
  boost::system::error_code error;
  const auto address = ip::make_address(std::string(host), error);
  if (error) return std::nullopt;
  if (address.is_v6() && address.to_v6().is_v4_mapped()) {
    return ip::make_address_v4(ip::v4_mapped, address.to_v6());
  }
  return address;
}

}  // namespace

std::string bracketed(std::string_view host) {
  return host.find(':') == std::string_view::npos ? std::string(host) : fmt::format("[{}]", host);
}

std::string Address::text() const { return fmt::format("{}:{}", bracketed(host), port); }

std::optional<Address> address_from(std::string_view text, std::uint16_t default_port,
                                    bool any_port) {
  Address result;
  result.port = default_port;
  if (is_v6(text)) {
    result.host = text;
    return result;
  }
  std::string_view rest;
  if (text.starts_with('[')) {
    const auto close = text.find(']');
    if (close == std::string_view::npos || !is_v6(text.substr(1, close - 1))) return std::nullopt;
    result.host = text.substr(1, close - 1);
    rest = text.substr(close + 1);
  } else {
    const auto colon = std::min(text.find(':'), text.size());
    result.host = text.substr(0, colon);
    if (!is_name(result.host)) return std::nullopt;
    rest = text.substr(colon);
  }
  if (rest.empty()) return result;
  if (!rest.starts_with(':')) return std::nullopt;
  const auto port = port_from(rest.substr(1), any_port);
  if (!port) return std::nullopt;
  result.port = *port;
  return result;
}

Address parse_address(std::string_view what, std::string_view text, std::uint16_t default_port,
                      bool any_port) {
  auto result = address_from(text, default_port, any_port);
  if (!result) {
    throw Error(Code::bad_request, fmt::format("{}: '{}' is no address", what, text),
                "write it like gpu-b, gpu-b:7070, 10.0.0.2:7070 or [fd00::2]:7070");
  }
  return std::move(*result);
}

Destination parse_destination(std::string_view text) {
  const auto slash = text.find('/');
  std::optional<Address> agent;
  if (slash != std::string_view::npos && slash + 1 < text.size()) {
    agent = address_from(text.substr(0, slash));
  }
  if (!agent) {
    throw Error(
        Code::bad_request, fmt::format("'{}' is no destination", text),
        "write it like gpu-b:7070/cpu:0 or [fd00::2]:7070/cpu:0; `cardswap devices gpu-b` lists "
        "its devices");
  }
  return {std::move(agent->host), agent->port, std::string(text.substr(slash + 1))};
}

std::string canonical_host(std::string_view host) {
  if (const auto address = ip_of(host)) return address->to_string();
  std::string name(host);
  std::transform(name.begin(), name.end(), name.begin(), lower);
  if (name.ends_with('.')) name.pop_back();
  return name;
}

bool is_loopback(std::string_view host) {
  const auto address = ip_of(host);
  return address ? address->is_loopback() : canonical_host(host) == "localhost";
}

bool is_wildcard(std::string_view host) {
  const auto address = ip_of(host);
  return address && address->is_unspecified();
}

bool is_link_local(std::string_view host) {
  const auto address = ip_of(host);
  return address && address->is_v6() && address->to_v6().is_link_local();
}

std::string without_zone(std::string_view host) {
  return std::string(is_v6(host) ? host.substr(0, host.find('%')) : host);
}

bool is_same_host(std::string_view one, std::string_view other) {
  return canonical_host(one) == canonical_host(other);
}

}  // namespace cardswap
