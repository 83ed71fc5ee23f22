#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "agent/api/connections.h"
#include "agent/api/request_rules.h"
#include "agent/api/router.h"
#include "agent/security/access.h"

/// What a server answers before a call of the API is looked at. Pure.
namespace cardswap {

/// The answer to an agent of another release.
[[nodiscard]] ApiAnswer protocol_mismatch(const std::string& theirs);
/// The answer to somebody whom nothing proves to be anybody.
[[nodiscard]] ApiAnswer unauthenticated(const Caller& caller, bool may_use_token,
                                        Listener listener);
/// The answer to somebody whose certificate counted at the handshake; nothing while `fault` is
/// empty.
[[nodiscard]] std::optional<ApiAnswer> ended_meanwhile(const std::string& name,
                                                       const std::string& fault);
/// The answer to a call beyond those that are answered at a time.
[[nodiscard]] ApiAnswer too_busy(Connections::Room room, const Caller& caller);
/// The answer to bytes that are no HTTP.
[[nodiscard]] ApiAnswer no_request(const std::string& why);

}  // namespace cardswap
