#pragma once

#include <boost/asio/awaitable.hpp>
#include <chrono>
#include <memory>

#include "agent/http/client.h"

namespace cardswap::http {

/// One connection to an agent over TCP, inside TLS where this side has an identity. Calls go over
/// it one after the other. One thread.
class Connection {
 public:
  using Deadline = std::chrono::steady_clock::time_point;

  /// Connects, and proves the other side. `request` is whose sake it is for, in error texts. Throws
  /// Error as call() does.
  [[nodiscard]] static boost::asio::awaitable<std::unique_ptr<Connection>> open(Endpoint endpoint,
                                                                                Request request,
                                                                                Deadline deadline);
  virtual ~Connection() = default;
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  /// Sends a request and reads its answer. `keep`: the other side is asked to leave the connection
  /// open.
  [[nodiscard]] virtual boost::asio::awaitable<Answer> exchange(Request request, Deadline deadline,
                                                                bool keep) = 0;
  /// Whether another call may go over it.
  [[nodiscard]] bool is_reusable() const { return is_reusable_; }
  /// Whether what proved the other side then, and this one to it, still would.
  [[nodiscard]] virtual bool is_still_proven() const { return true; }

 protected:
  Connection() = default;
  bool is_reusable_ = false;
};

/// One call over the unix socket of an agent.
[[nodiscard]] boost::asio::awaitable<Answer> over_unix(Endpoint endpoint, Request request);

}  // namespace cardswap::http
