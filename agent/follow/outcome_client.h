#pragma once

#include <boost/asio/awaitable.hpp>
#include <chrono>
#include <cstdint>
#include <string>

#include "agent/base/task_group.h"
#include "agent/follow/outcome.h"
#include "agent/http/client.h"
#include "agent/http/connection_pool.h"

namespace cardswap::follow {

/// A job of one process (rank 0), or a rank of a job of many, as agents name it to each other.
struct RankName {
  std::string uid;  ///< the job's, the same on every host
  std::uint32_t rank = 0;
};

/// Asks the agents to which ranks have moved. Each call may be sent twice, and throws Error: the
/// agent's own, as reported_by() has it, Code::unreachable or timed_out, or
/// Code::protocol_mismatch for an answer that cannot be read. One thread; it must outlive its
/// calls.
class OutcomeClient {
 public:
  explicit OutcomeClient(const TaskGroup& tasks) : tasks_(tasks) {}

  /// What is known there of the rank, at once if it is over or has moved on; at the latest after
  /// `wait`. Throws Error{not_found} if that agent has no record of it.
  asio::awaitable<LocalOutcome> ask(http::Endpoint agent, RankName rank,
                                    std::chrono::milliseconds wait);
  /// Sends the rank's process a signal. The answer has a `moved_to` if the rank is not there.
  asio::awaitable<LocalOutcome> deliver(http::Endpoint agent, RankName rank, int signal);

 private:
  asio::awaitable<LocalOutcome> call(http::Endpoint agent, http::Request request);

  const TaskGroup& tasks_;
  http::ConnectionPool connections_;
};

}  // namespace cardswap::follow
