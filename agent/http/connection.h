#pragma once

#include <boost/asio/awaitable.hpp>
#include <chrono>
#include <memory>

#include "agent/http/client.h"

namespace cardswap::http {

/// One connection to an agent over TCP, inside TLS if this side has an Identity with a TLS context.
/// It carries one call after the other, never two at a time. One thread.
class Connection {
 public:
  using Deadline = std::chrono::steady_clock::time_point;

  /// Connects and, inside TLS, checks that the other side is the agent that was called. `request`
  /// is the one for which the connection is opened: its `only_of` is checked, and error texts name
  /// it. Throws Error as call() does.
  [[nodiscard]] static boost::asio::awaitable<std::unique_ptr<Connection>> open(Endpoint endpoint,
                                                                                Request request,
                                                                                Deadline deadline);
  virtual ~Connection() = default;
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  /// Sends a request and reads its answer, until `deadline`. `keep` asks the other side to leave
  /// the connection open. Throws Error as call() does; an answer with status 400 or above is
  /// returned.
  [[nodiscard]] virtual boost::asio::awaitable<Response> exchange(Request request,
                                                                  Deadline deadline, bool keep) = 0;
  /// Whether another call may use it: the last call had `keep`, has succeeded, and the other side
  /// leaves the connection open.
  [[nodiscard]] bool is_reusable() const { return is_reusable_; }
  /// Whether both certificates and the lists of revocations with which the connection was opened
  /// are still those in use, and the other side's certificate has not ended. Always true without
  /// TLS.
  [[nodiscard]] virtual bool is_still_proven() const { return true; }

 protected:
  Connection() = default;
  bool is_reusable_ = false;
};

/// Makes one call over an agent's unix socket, on a connection of its own. Throws Error as call()
/// does; an answer with status 400 or above is returned.
[[nodiscard]] boost::asio::awaitable<Response> over_unix(Endpoint endpoint, Request request);

}  // namespace cardswap::http
