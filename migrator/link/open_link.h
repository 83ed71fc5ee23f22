#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "migrator/link/link.h"
#include "migrator/link/sealed_link.h"

namespace cardswap {

/// Connect and listen as connect_bare_link() and listen_bare_link() do, and throw what these throw.
/// `key` is 64 hexadecimal digits, with which the link is encrypted; Error{bad_request} for
/// anything else, Error{internal} when OpenSSL fails. An empty key: the link is in the clear, and
/// payloads between processes of one host pass by memory (SameHostLink) if may_share_memory().
[[nodiscard]] std::unique_ptr<Link> connect_link(const std::string& host, std::uint16_t port,
                                                 const LinkOptions& options, const std::string& key,
                                                 LinkListener& link_listener);
[[nodiscard]] std::unique_ptr<Link> listen_link(const std::string& host, const LinkOptions& options,
                                                const std::string& key,
                                                LinkListener& link_listener);

/// The message that these sealed links send in the clear: a data::Refused.
[[nodiscard]] ClearRefusal clear_refusal();

}  // namespace cardswap
