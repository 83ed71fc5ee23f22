#include "migrator/link/ucx/link.h"

namespace cardswap {

std::unique_ptr<Link> connect_bare_link(const std::string& host, std::uint16_t port,
                                        const LinkOptions& options, LinkListener& link_listener) {
  auto link = std::make_unique<ucx::UcxLink>(options.transports, host, link_listener,
                                             options.allowed_addresses);
  link->connect(host, port);
  return link;
}

std::unique_ptr<Link> listen_bare_link(const std::string& host, const LinkOptions& options,
                                       LinkListener& link_listener) {
  auto link = std::make_unique<ucx::UcxLink>(options.transports, host, link_listener,
                                             options.allowed_addresses);
  link->listen(host);
  return link;
}

}  // namespace cardswap
