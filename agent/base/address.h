#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace cardswap {

inline constexpr std::uint16_t kAgentPort = 7070;

/// A host and a port: the one grammar of every address that people, peers, files and labels write.
///
/// "gpu-b", "gpu-b:7070", "10.0.0.2:7070", "[fd00::2]:7070", "[fd00::2]", "fd00::2", also with a
/// zone ("fe80::2%eth0"). `host` has no brackets.
struct Address {
  std::string host;
  std::uint16_t port = kAgentPort;

  /// "gpu-b:7070", "[fd00::2]:7070": what address_from reads back.
  [[nodiscard]] std::string text() const;
  bool operator==(const Address&) const = default;
};

/// `host`, in brackets where it is an IPv6 address.
[[nodiscard]] std::string bracketed(std::string_view host);

/// Nothing where `text` is no address. A port of 0 is none, unless `any_port` (a listener's).
[[nodiscard]] std::optional<Address> address_from(std::string_view text,
                                                  std::uint16_t default_port = kAgentPort,
                                                  bool any_port = false);
/// The same; throws Error{bad_request} naming `what`, "--listen" or the like.
[[nodiscard]] Address parse_address(std::string_view what, std::string_view text,
                                    std::uint16_t default_port = kAgentPort, bool any_port = false);

/// A device of a host: "HOST[:PORT]/DEVICE".
struct Destination {
  std::string host;
  std::uint16_t port = kAgentPort;
  std::string device;

  [[nodiscard]] Address agent() const { return {host, port}; }
};
/// Throws Error{bad_request}.
[[nodiscard]] Destination parse_destination(std::string_view text);

/// The shortest way to write it where `host` is an IP address, IPv4 where it is one inside of IPv6;
/// a name in lower case.
[[nodiscard]] std::string canonical_host(std::string_view host);
/// Whether `host` is this host itself, whichever it is: 127.0.0.0/8, ::1 or "localhost".
[[nodiscard]] bool is_loopback(std::string_view host);
/// 0.0.0.0 or ::, where a listener takes every address; nobody can be called by it.
[[nodiscard]] bool is_wildcard(std::string_view host);
/// fe80::/10, which needs a zone: another host's name for the same link is another.
[[nodiscard]] bool is_link_local(std::string_view host);
/// Without the "%eth0" of an IPv6 address, which means nothing to another host.
[[nodiscard]] std::string without_zone(std::string_view host);

/// Whether both are the same IP address however they are written ("::ffff:10.0.0.1" is
/// "10.0.0.1"); names are compared without regard to case.
[[nodiscard]] bool same_host(std::string_view one, std::string_view other);

}  // namespace cardswap
