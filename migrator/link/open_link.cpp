#include "migrator/link/open_link.h"

#include <variant>

#include "migrator/link/same_host_link.h"
#include "migrator/wire/data_messages.h"

namespace cardswap {

ClearRefusal clear_refusal() {
  return {data::encode(
              data::Refused{Code::unauthorized,
                            "what came over the data link does not open with this migration's key",
                            "start the migration through the agents, with `cardswap migrate`"}),
          [](std::span<const std::byte> message) {
            return std::holds_alternative<data::Refused>(data::decode(message));
          }};
}

std::unique_ptr<Link> connect_link(const std::string& host, std::uint16_t port,
                                   const LinkOptions& options, const std::string& key,
                                   LinkListener& link_listener) {
  const auto make = [&](LinkListener& inner) {
    return connect_bare_link(host, port, options, inner);
  };
  if (!key.empty()) {
    return std::make_unique<SealedLink>(cipher_key_from(key), Direction::source_to_target,
                                        clear_refusal(), link_listener, make);
  }
  if (!may_share_memory(options.transports)) return make(link_listener);
  return std::make_unique<SameHostLink>(SameHostLink::End::is_read, link_listener, make);
}

std::unique_ptr<Link> listen_link(const std::string& host, const LinkOptions& options,
                                  const std::string& key, LinkListener& link_listener) {
  const auto make = [&](LinkListener& inner) { return listen_bare_link(host, options, inner); };
  if (!key.empty()) {
    return std::make_unique<SealedLink>(cipher_key_from(key), Direction::target_to_source,
                                        clear_refusal(), link_listener, make);
  }
  if (!may_share_memory(options.transports)) return make(link_listener);
  return std::make_unique<SameHostLink>(SameHostLink::End::reads, link_listener, make);
}

}  // namespace cardswap
