#pragma once

#include <cardswap/c.h>

#include <cstdint>
#include <exception>
#include <memory>
#include <string>

#include "migrator/base/error.h"
#include "runtime/c_api/c_thing.h"
#include "runtime/session/foreign_session.h"

/// The session of this process, and the tokens that are to be released.
struct cardswap_session {
  cardswap_session(const char* framework, std::uint32_t rank, std::uint32_t ranks)
      : session(
            cardswap::ForeignSession::open(framework == nullptr ? "" : framework, rank, ranks)) {}

  std::shared_ptr<cardswap::c_api::Releases> releases =
      std::make_shared<cardswap::c_api::Releases>();
  cardswap::Session session;
};

/// What each call of the C ABI does: it turns an exception into -1 and a text that its thread can
/// ask for.
namespace cardswap::c_api {

/// The latest failure of a thread.
struct Failure {
  std::string text;
  std::string code;
};
[[nodiscard]] Failure& latest_failure() noexcept;

template <class Do>
int tried(Do it) noexcept {
  try {
    it();
    return 0;
  } catch (...) {
    const auto error = error_of(std::current_exception());
    latest_failure() = {error.what(), std::string(to_string(error.code()))};
    return -1;
  }
}

/// The session of a call. Throws Error{conflict} for null: the session was closed.
template <class Handle>
Handle& opened(Handle* session) {
  if (session == nullptr) {
    throw Error(Code::conflict, "the session was closed", "nothing is tracked or moved any more");
  }
  return *session;
}

}  // namespace cardswap::c_api
