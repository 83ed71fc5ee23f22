#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/json/value.hpp>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

#include "agent/base/task_group.h"
#include "agent/handover/base/peer_answers.h"
#include "agent/handover/base/reservation_request.h"
#include "agent/http/client.h"
#include "agent/http/connection_pool.h"

namespace cardswap {

/// The answer of a target's agent to a call about a reservation.
struct TargetAnswer {
  std::optional<TargetStatus> status;  ///< nullopt: the call succeeded, and no state came with it
  bool forced_to_target = false;       ///< an operator there gave the job to the target
};

/// Makes the calls of a handover to a target's agent: reserve, ask for the state, grant, drop.
///
/// No other code knows the paths and the JSON of these calls; this class knows no migrations.
/// Connections are kept open between calls, except for a call that must not be sent twice. Each
/// call throws Error: the agent's own error, Code::unreachable or timed_out, or
/// Code::protocol_mismatch for an answer that cannot be read. Owned by Migrations; one thread; it
/// must outlive its calls.
class TargetClient {
 public:
  /// A reservation: the agent that holds it, the migration's id, and the epoch that it is for.
  struct ReservationRef {
    http::Endpoint agent;
    std::string migration;
    handover::Epoch epoch = 0;
  };

  /// The time limit of calls that name no other. reserve() has 10 s.
  static constexpr std::chrono::milliseconds kAnswerMax{3000};

  explicit TargetClient(const TaskGroup& tasks) : tasks_(tasks) {}

  /// Asks for a reservation; in a dry run, whether it could be made. A refusal is an Offer too.
  asio::awaitable<Offer> reserve(http::Endpoint agent, ReservationRequest wanted);
  asio::awaitable<TargetAnswer> state(ReservationRef reservation,
                                      std::chrono::milliseconds timeout);
  /// The state, once its version is above `after`; at the latest after `wait`, whatever it is then.
  asio::awaitable<TargetAnswer> news(ReservationRef reservation, std::uint64_t after,
                                     std::chrono::milliseconds wait,
                                     std::chrono::milliseconds timeout = kAnswerMax);
  asio::awaitable<TargetAnswer> grant(ReservationRef reservation, handover::Content content);
  /// Tells the target that the migration was given up. An `epoch` above the reservation's own: the
  /// job was taken back and goes on here under it.
  asio::awaitable<TargetAnswer> drop(ReservationRef reservation, handover::Epoch epoch);
  /// The host name that an agent uses for itself; empty: it does not say.
  asio::awaitable<std::string> host_name(http::Endpoint agent, std::chrono::milliseconds timeout);

 private:
  asio::awaitable<boost::json::object> ask(http::Endpoint agent, std::string method,
                                           std::string path, boost::json::value body,
                                           std::chrono::milliseconds timeout);

  const TaskGroup& tasks_;
  http::ConnectionPool connections_;
};

}  // namespace cardswap
