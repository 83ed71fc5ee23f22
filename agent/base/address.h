#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace cardswap {

inline constexpr std::uint16_t kAgentPort = 7070;

/// A host and a port. All addresses in options, requests, files and labels have this one grammar.
///
/// "gpu-b", "gpu-b:7070", "10.0.0.2:7070", "[fd00::2]:7070", "[fd00::2]", "fd00::2", also with a
/// zone ("fe80::2%eth0"). `host` has no brackets.
struct Address {
  std::string host;
  std::uint16_t port = kAgentPort;

  /// "gpu-b:7070", "[fd00::2]:7070"; address_from() reads it back.
  [[nodiscard]] std::string text() const;
  bool operator==(const Address&) const = default;
};

/// `host`, in brackets where it is an IPv6 address.
[[nodiscard]] std::string bracketed(std::string_view host);

/// Reads an address; nullopt where `text` is not an address. Port 0 is accepted only with
/// `any_port` (for a listener).
[[nodiscard]] std::optional<Address> address_from(std::string_view text,
                                                  std::uint16_t default_port = kAgentPort,
                                                  bool any_port = false);
/// Reads an address as address_from() does. Throws Error{bad_request} that names `what`, such as
/// "--listen".
[[nodiscard]] Address parse_address(std::string_view what, std::string_view text,
                                    std::uint16_t default_port = kAgentPort, bool any_port = false);

/// A device of a host: "HOST[:PORT]/DEVICE".
struct Destination {
  std::string host;
  std::uint16_t port = kAgentPort;
  std::string device;

  [[nodiscard]] Address agent() const { return {host, port}; }
};
/// Reads a destination. Throws Error{bad_request}.
[[nodiscard]] Destination parse_destination(std::string_view text);

/// `host` in its canonical form: the shortest text of an IP address (IPv4 for an IPv4-mapped IPv6
/// address), a name in lower case and without a final dot.
[[nodiscard]] std::string canonical_host(std::string_view host);
/// Whether `host` means "this host" on every host: 127.0.0.0/8, ::1 or "localhost".
[[nodiscard]] bool is_loopback(std::string_view host);
/// Whether `host` is 0.0.0.0 or ::. A listener with it accepts on every address of its host; it is
/// no address to connect to.
[[nodiscard]] bool is_wildcard(std::string_view host);
/// Whether `host` is in fe80::/10. Such an address needs a zone, and each host names its zones
/// itself.
[[nodiscard]] bool is_link_local(std::string_view host);
/// `host` without an IPv6 zone ("%eth0"): the zone means nothing to another host.
[[nodiscard]] std::string without_zone(std::string_view host);

/// Whether `one` and `other` name the same host: IP addresses by value ("::ffff:10.0.0.1" equals
/// "10.0.0.1"), names without regard to case.
[[nodiscard]] bool is_same_host(std::string_view one, std::string_view other);

}  // namespace cardswap
