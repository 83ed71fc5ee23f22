#include "runtime/c_api/c_ranks.h"

#include <algorithm>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "migrator/base/error.h"
#include "runtime/c_api/c_call.h"
#include "runtime/c_api/c_thing.h"

namespace cardswap::c_api {

Ranks::Ranks(const cardswap_communicators& callbacks, void* self) : self_(self) {
  // A program that was compiled with another header has fewer callbacks, or more.
  std::memcpy(&callbacks_, &callbacks, std::min(callbacks.size, sizeof(callbacks_)));
}

void Ranks::call(int (*callback)(void*)) const {
  if (callback == nullptr) return;
  set_failure(nullptr);
  if (callback(self_) != 0) throw_callback_failure();
}

void Ranks::build(const NextRanks& next) {
  if (callbacks_.build == nullptr) {
    throw Error(Code::refused, "this program builds no other communicators");
  }
  const cardswap_next_ranks told{next.epoch, next.rendezvous.c_str(), next.ranks, next.moved.data(),
                                 next.moved.size()};
  set_failure(nullptr);
  if (callbacks_.build(self_, &told) != 0) throw_callback_failure();
}

CommunicatorTimes Ranks::took() {
  cardswap_communicator_times times{};
  if (callbacks_.took == nullptr) return {};
  set_failure(nullptr);
  if (callbacks_.took(self_, &times) != 0) throw_callback_failure();
  return {times.build_ms, times.try_ms};
}

}  // namespace cardswap::c_api

using cardswap::ForeignSession;
using cardswap::c_api::opened;
using cardswap::c_api::tried;

int cardswap_open_rank(const char* framework, uint32_t rank, uint32_t ranks,
                       cardswap_session** session) {
  return tried([&] {
    if (ranks == 0 || rank >= ranks) {
      throw cardswap::Error(cardswap::Code::bad_request, "a rank that is not one of the ranks");
    }
    *session = std::make_unique<cardswap_session>(framework, rank, ranks).release();
  });
}

int cardswap_set_ranks(cardswap_session* session, uint32_t rank, uint32_t ranks,
                       const cardswap_communicators* communicators, void* self) {
  return tried([&] {
    auto& at = opened(session);
    if (ranks == 0 || rank >= ranks) {
      throw cardswap::Error(cardswap::Code::bad_request, "a rank that is not one of the ranks");
    }
    std::unique_ptr<cardswap::Communicators> how;
    if (communicators != nullptr)
      how = std::make_unique<cardswap::c_api::Ranks>(*communicators, self);
    ForeignSession::set_ranks(at.session, rank, ranks, std::move(how));
  });
}

int cardswap_tell_agents(cardswap_session* session, const char* const* agents, size_t count) {
  return tried([&] {
    auto& at = opened(session);
    std::vector<std::string> all;
    all.reserve(count);
    for (size_t i = 0; i < count; ++i) all.emplace_back(agents[i] == nullptr ? "" : agents[i]);
    ForeignSession::tell_agents(at.session, std::move(all));
  });
}

const char* cardswap_agent_address(const cardswap_session* session) {
  return session == nullptr ? "" : ForeignSession::agent_address(session->session).c_str();
}

int cardswap_is_newcomer(const cardswap_session* session, uint32_t* rank, uint32_t* ranks) {
  if (session == nullptr) return 0;
  const auto place = ForeignSession::place_in_gang(session->session);
  if (place.ranks == 0) return 0;
  *rank = place.rank;
  *ranks = place.ranks;
  return 1;
}

int cardswap_is_given_up(const cardswap_session* session, uint64_t epoch) {
  return session == nullptr || ForeignSession::is_given_up(session->session, epoch) ? 1 : 0;
}
