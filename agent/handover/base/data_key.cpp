#include "agent/handover/base/data_key.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include "agent/base/address.h"

namespace cardswap {

void check_key_was_given(const MigrationSpec& spec, const DataEndpoint& data,
                         const std::string& to) {
  if (!spec.encrypt || !data.key.empty()) return;
  throw Error(Code::refused, fmt::format("the agent of {} gave no key to encrypt with", to),
              "run the same Cardswap release on both hosts");
}

void check_key_may_go_in_the_clear(const std::string& to, const std::string& what) {
  const auto host = parse_destination(to).host;
  if (!is_loopback(host)) {
    throw Error(Code::refused,
                fmt::format("the key that encrypts the data would go to {} in the clear", host),
                "start the agents with --tls-cert, --tls-key and --tls-ca; docs/security.md");
  }
  spdlog::warn("{}: encrypted, but its key goes over plain HTTP on loopback", what);
}

}  // namespace cardswap
