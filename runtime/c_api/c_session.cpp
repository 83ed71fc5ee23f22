// The calls of the C ABI. Each turns an exception into -1 and a text that its thread can ask for.

#include <cardswap/c.h>

#include <cstring>
#include <memory>
#include <string>

#include "migrator/base/error.h"
#include "runtime/c_api/c_call.h"
#include "runtime/c_api/c_thing.h"
#include "runtime/session/foreign_session.h"

namespace cardswap {

c_api::Failure& c_api::latest_failure() noexcept {
  thread_local Failure latest;
  return latest;
}

namespace {

std::string required(const char* text, const char* what) {
  if (text == nullptr || *text == '\0') {
    throw Error(Code::bad_request, std::string(what) + " is missing");
  }
  return text;
}

}  // namespace
}  // namespace cardswap

using cardswap::ForeignSession;
using cardswap::c_api::latest_failure;
using cardswap::c_api::opened;
using cardswap::c_api::tried;

uint32_t cardswap_abi(void) { return CARDSWAP_ABI; }
const char* cardswap_version(void) { return CARDSWAP_VERSION; }
const char* cardswap_error(void) { return latest_failure().text.c_str(); }
const char* cardswap_error_code(void) { return latest_failure().code.c_str(); }

int cardswap_open(const char* framework, cardswap_session** session) {
  return tried([&] { *session = std::make_unique<cardswap_session>(framework, 0, 1).release(); });
}

void cardswap_close(cardswap_session* session) {
  (void)tried([&] { std::unique_ptr<cardswap_session>(session).reset(); });
}

int cardswap_track(cardswap_session* session, const char* name, const char* kind, const char* type,
                   const cardswap_callbacks* callbacks, void* self, cardswap_thing** thing) {
  return tried([&] {
    if (callbacks == nullptr) throw cardswap::Error(cardswap::Code::bad_request, "no callbacks");
    const auto text = [](const char* given) { return std::string(given == nullptr ? "" : given); };
    // First: from here on forget() is called for a thing that is refused, whatever refuses it.
    auto made = std::make_unique<cardswap::c_api::Thing>(
        *callbacks, self, text(kind), text(type),
        session != nullptr ? session->releases : std::make_shared<cardswap::c_api::Releases>());
    auto& at = opened(session);
    const auto called = cardswap::required(name, "a name");
    (void)cardswap::required(kind, "a kind");
    const auto made_as = cardswap::required(type, "a type");
    auto* const known = made.get();
    ForeignSession::track(at.session, called, std::move(made), made_as.c_str());
    if (thing != nullptr) *thing = reinterpret_cast<cardswap_thing*>(known);
  });
}

int cardswap_allocate(cardswap_session* session, const char* name, uint64_t bytes, void** memory) {
  return tried([&] {
    *memory = opened(session).session.allocate(cardswap::required(name, "a name"), bytes).data();
  });
}

int cardswap_before_step(cardswap_session* session, cardswap_thing* optimizer) {
  return tried([&] {
    auto& at = opened(session);
    at.releases->hand_back();
    ForeignSession::before_step(at.session, optimizer, [](const void* thing) {
      return static_cast<const cardswap::c_api::Thing*>(thing)->stepped();
    });
  });
}

int cardswap_boundary(cardswap_session* session) {
  auto result = cardswap::StepResult::proceed;
  const auto status = tried([&] {
    auto& at = opened(session);
    at.releases->hand_back();
    result = at.session.step_boundary();
  });
  if (status != 0) return status;
  return result == cardswap::StepResult::moved ? CARDSWAP_MOVED : CARDSWAP_PROCEED;
}

int cardswap_has_attention(const cardswap_session* session) {
  return session != nullptr && ForeignSession::has_attention(session->session) ? 1 : 0;
}
int cardswap_is_standby(const cardswap_session* session) {
  return session != nullptr && session->session.is_standby() ? 1 : 0;
}
uint64_t cardswap_steps(const cardswap_session* session) {
  return session == nullptr ? 0 : session->session.steps();
}

int cardswap_digest(cardswap_session* session, char text[33]) {
  return tried([&] {
    const auto digest = opened(session).session.state_digest();
    std::memset(text, 0, 33);
    digest.copy(text, 32);
  });
}

int cardswap_note(cardswap_session* session, const char* name, double value) {
  bool kept = false;
  const auto status =
      tried([&] { kept = name != nullptr && opened(session).session.note(name, value); });
  return status == 0 ? (kept ? 1 : 0) : status;
}

int cardswap_do_not_rehearse(cardswap_session* session, const char* why) {
  return tried([&] { opened(session).session.do_not_rehearse(why == nullptr ? "" : why); });
}
