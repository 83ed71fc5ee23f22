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

/// What a target's agent answers to a call about a place of ours.
struct TargetAnswer {
  std::optional<TargetStatus> status;  ///< none: it says that it is done, and no more
  bool forced_to_target = false;       ///< by an operator there
};

/// Makes the calls of a handover to a target's agent: reserve a place, ask for its state, grant,
/// drop.
///
/// No other code knows the paths and the JSON of these calls; this one knows no migration.
/// Connections stay open between calls, except for a call that must not be made twice. Each call
/// throws Error: the agent's refusal, Code::unreachable or timed_out, or Code::protocol_mismatch
/// for an answer that cannot be read. Owned by Migrations; one thread; it outlives its calls.
class TargetClient {
 public:
  /// One place: the agent that holds it, the migration's id, and the epoch that it is for.
  struct ReservationRef {
    http::Endpoint agent;
    std::string migration;
    handover::Epoch epoch = 0;
  };

  static constexpr std::chrono::milliseconds kAnswerMax{3000};

  explicit TargetClient(const TaskGroup& tasks) : tasks_(tasks) {}

  /// Asks for a place; for a dry run, whether there could be one.
  asio::awaitable<Offer> reserve(http::Endpoint agent, ReservationRequest wanted);
  asio::awaitable<TargetAnswer> state(ReservationRef reservation,
                                      std::chrono::milliseconds timeout);
  /// Returns when its state is a later one than `after`, or after `wait`.
  asio::awaitable<TargetAnswer> news(ReservationRef reservation, std::uint64_t after,
                                     std::chrono::milliseconds wait,
                                     std::chrono::milliseconds timeout = kAnswerMax);
  asio::awaitable<TargetAnswer> grant(ReservationRef reservation, handover::Content content);
  /// Under `epoch`, where that is above the place's: the job was taken back.
  asio::awaitable<TargetAnswer> drop(ReservationRef reservation, handover::Epoch epoch);
  /// What an agent calls its host.
  asio::awaitable<std::string> host_name(http::Endpoint agent, std::chrono::milliseconds timeout);

 private:
  asio::awaitable<boost::json::object> ask(http::Endpoint agent, std::string method,
                                           std::string path, boost::json::value body,
                                           std::chrono::milliseconds timeout);

  const TaskGroup& tasks_;
  http::ConnectionPool connections_;
};

}  // namespace cardswap
