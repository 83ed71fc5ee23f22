#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "cardswap/session.h"
#include "runtime/roles/communicators.h"

namespace cardswap {

/// Gives access to the private parts of Session that its templates use in C++ programs, and to what
/// only programs in other languages use: ranks of a job of many.
class ForeignSession {
 public:
  using Describe = SteppedOptimizer (*)(const void* optimizer);

  /// Session::open() for a program with this framework; `rank` of `ranks` processes.
  static Session open(std::string framework, std::uint32_t rank, std::uint32_t ranks) {
    return Session::open_for(std::move(framework), rank, ranks);
  }
  template <class Thing>
  static void track(Session& session, const std::string& name, std::unique_ptr<Thing> thing,
                    const char* type) {
    const auto* address = thing.get();
    session.track_thing(name, std::move(thing), address, type);
  }
  static void before_step(Session& session, const void* optimizer, Describe describe) {
    session.before_step(optimizer, describe);
  }
  static bool has_attention(const Session& session) noexcept { return session.has_attention(); }

  /// Session::set_ranks().
  static void set_ranks(Session& session, std::uint32_t rank, std::uint32_t ranks,
                        std::unique_ptr<Communicators> communicators) {
    session.set_ranks(rank, ranks, std::move(communicators));
  }
  /// Session::tell_agents().
  static void tell_agents(Session& session, std::vector<std::string> agents) {
    session.tell_agents(std::move(agents));
  }
  /// Session::is_given_up().
  static bool is_given_up(const Session& session, std::uint64_t epoch) noexcept {
    return session.is_given_up(epoch);
  }
  /// Session::agent_address().
  static const std::string& agent_address(const Session& session) noexcept {
    return session.agent_address();
  }
  /// Session::place_in_gang().
  static RankInGang place_in_gang(const Session& session) noexcept {
    return session.place_in_gang();
  }
};

}  // namespace cardswap
