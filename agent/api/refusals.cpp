#include "agent/api/refusals.h"

#include <fmt/format.h>

#include "agent/http/client.h"
#include "migrator/base/error.h"

namespace cardswap {

ApiResponse protocol_mismatch(const std::string& theirs) {
  return answer_of(Error(
      Code::protocol_mismatch,
      fmt::format("the other agent speaks protocol {}, this one {}", theirs, http::kPeerProtocol),
      "run the same Cardswap release on both hosts"));
}

ApiResponse unauthenticated(const Caller& caller, bool may_use_token, Listener listener) {
  if (!may_use_token) {
    return answer_of(Error(Code::unauthorized, "a token was sent over plain TCP",
                           "whoever listened has it now: replace it, and use TLS"));
  }
  return answer_of(Error(Code::unauthorized,
                         fmt::format("{} is nobody that this agent answers", caller.name),
                         listener == Listener::tls
                             ? "show a certificate with a role (--tls-cert, --tls-key) or a token "
                               "(--token-file); docs/security.md"
                             : "call as root, as the agent's own user or as a member of "
                               "its --api-group, or use TLS; docs/security.md"));
}

std::optional<ApiResponse> ended_meanwhile(const std::string& name, const std::string& fault) {
  if (fault.empty()) return std::nullopt;
  return answer_of(Error(Code::unauthorized, fmt::format("the certificate of {}: {}", name, fault),
                         "connect anew, with one that counts"));
}

ApiResponse too_busy(Connections::Room room, const Caller& caller) {
  const bool own = room == Connections::Room::full_for_caller;
  auto answer = answer_of(
      own ? Error(Code::refused,
                  fmt::format("this agent answers as many calls of {} as one caller gets at a time",
                              caller.name),
                  "end some of those that wait (`wait_ms`), or try again in a second")
          : Error(Code::refused, "this agent answers as many calls as it can",
                  "try again in a second"));
  answer.status = 503;
  return answer;
}

ApiResponse no_request(const std::string& why) {
  return answer_of(Error(Code::bad_request, fmt::format("this is no request: {}", why),
                         "the agent speaks HTTP/1.1 with JSON; docs/api.md"));
}

}  // namespace cardswap
