#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "migrator/link/link.h"
#include "migrator/link/sealed_link.h"

namespace cardswap {

/// connect_bare_link and listen_bare_link, sealed with `key`, 64 hexadecimal digits; in the clear
/// when it is empty, and then through memory between processes of one host (SameHostLink) where
/// may_share_memory(). Throw Error as those do, and Error{bad_request} for another key.
[[nodiscard]] std::unique_ptr<Link> connect_link(const std::string& host, std::uint16_t port,
                                                 const LinkOptions& options, const std::string& key,
                                                 LinkListener& link_listener);
[[nodiscard]] std::unique_ptr<Link> listen_link(const std::string& host, const LinkOptions& options,
                                                const std::string& key,
                                                LinkListener& link_listener);

/// What a sealed link of these says in the clear: data::Refuse.
[[nodiscard]] ClearRefusal clear_refusal();

}  // namespace cardswap
