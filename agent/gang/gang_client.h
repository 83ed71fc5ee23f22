#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "agent/base/task_group.h"
#include "agent/gang/invitation.h"
#include "agent/gang/messages.h"
#include "agent/gang/rank_facts.h"
#include "agent/gang/rank_report.h"
#include "agent/http/client.h"
#include "agent/http/connection_pool.h"
#include "agent/placement/placement.h"

namespace cardswap::gang {

/// A rank of a gang, as its routes name it.
struct RankRef {
  http::Endpoint agent;  ///< of the rank, or of the conductor if that is asked
  std::string gang;
  std::uint32_t rank = 0;
};

/// Makes the calls of a gang to other agents: a conductor's orders to the agents of ranks, the
/// question of such an agent to its conductor, and what an operator asks it of a move that another
/// agent conducts. A newcomer's agent is called as in a handover
/// (TargetClient).
///
/// No other code knows the paths of these calls; this class knows no gangs. Each call but begin()
/// may be sent twice, and throws Error: the agent's own, as reported_by() has it, Code::unreachable
/// or timed_out, or Code::protocol_mismatch for an answer that cannot be read. One thread; it must
/// outlive its calls.
class GangClient {
 public:
  explicit GangClient(const TaskGroup& tasks) : tasks_(tasks) {}

  /// Sends an order to a rank's agent, and returns what that says of the rank then. Waits 3 s at
  /// most. `invitation`: for the order to join.
  asio::awaitable<RankReport> order(RankRef rank, Order order,
                                    std::optional<Invitation> invitation = std::nullopt);
  /// What a rank's agent says of the rank, once its version is above `after`; at the latest after
  /// `wait`, whatever it is then.
  asio::awaitable<RankReport> report(RankRef rank, std::uint64_t after,
                                     std::chrono::milliseconds wait);
  /// Asks the agent of a rank of `job` what it knows of that. Waits 3 s at most.
  asio::awaitable<RankFacts> facts(http::Endpoint agent, std::string job, std::uint32_t rank,
                                   bool leaves);
  /// The devices of an agent's host, whose `host` is the agent's address. Waits 3 s at most.
  asio::awaitable<std::vector<PlacementDevice>> devices(http::Endpoint agent);

  // What an operator asks of another agent than the conductor's: `Moves` passes it on.
  /// Has the conductor's agent begin a move; `body` as in POST /v1/migrations. Returns the
  /// migration as the API shows it. Waits 60 s at most, and is not sent twice.
  asio::awaitable<boost::json::object> begin(http::Endpoint conductor, boost::json::object body);
  /// The migration as its conductor shows it, once its version is above `after`; at the latest
  /// after `wait`, whatever it is then.
  asio::awaitable<boost::json::object> shown(http::Endpoint conductor, std::string gang,
                                             std::uint64_t after, std::chrono::milliseconds wait);
  /// Has the conductor give it up; returns it as it is then. Waits 3 s at most.
  asio::awaitable<boost::json::object> cancel(http::Endpoint conductor, std::string gang);
  /// Asks the conductor's agent what the rank is to have done by now. Waits 2 s at most.
  asio::awaitable<Order> decision(RankRef rank, Epoch epoch);

 private:
  asio::awaitable<boost::json::value> ask(http::Endpoint agent, http::Request request,
                                          bool once = false);

  const TaskGroup& tasks_;
  http::ConnectionPool connections_;
};

}  // namespace cardswap::gang
