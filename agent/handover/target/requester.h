#pragma once

#include <string>

#include "agent/security/access.h"

namespace cardswap {

/// The agent that asks for a reservation, as far as it is known.
struct Requester {
  std::string from;      ///< its host and device, for people
  std::string from_api;  ///< host:port at which it is asked for its decision; or empty
};
/// Makes a Requester of what the caller says and proves. Without a certificate, `from` and
/// `from_api` are believed. With one, `from` also names the certificate if it names another host,
/// and `from_api` must be an address of the certificate: else the address that the call came from
/// is used. Pure.
[[nodiscard]] Requester requester_of(const Caller& caller, const std::string& from,
                                     const std::string& from_api);

}  // namespace cardswap
