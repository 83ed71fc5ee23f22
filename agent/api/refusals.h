#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "agent/api/connections.h"
#include "agent/api/request_rules.h"
#include "agent/api/router.h"
#include "agent/security/access.h"

/// What the server answers to requests that do not reach the router. Pure.
namespace cardswap {

/// The answer to an agent of another release, which speaks protocol `theirs`.
[[nodiscard]] ApiResponse protocol_mismatch(const std::string& theirs);
/// The answer to a caller who has proved no identity. `may_use_token` is false if a token was sent
/// over plain TCP.
[[nodiscard]] ApiResponse unauthenticated(const Caller& caller, bool may_use_token,
                                          Listener listener);
/// The answer to a caller whose certificate was valid at the handshake and is not any more. `fault`
/// says why (PeerCertificate::fault()); empty: the certificate is valid, and there is no answer.
[[nodiscard]] std::optional<ApiResponse> ended_meanwhile(const std::string& name,
                                                         const std::string& fault);
/// The answer, with status 503, to a call that Slot::begin_call() did not accept.
[[nodiscard]] ApiResponse too_busy(Connections::Room room, const Caller& caller);
/// The answer to bytes that are not HTTP; `why` is the parser's text.
[[nodiscard]] ApiResponse no_request(const std::string& why);

}  // namespace cardswap
