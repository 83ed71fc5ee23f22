#pragma once

#include <list>
#include <memory>
#include <string>

#include "agent/http/connection.h"

namespace cardswap::http {

/// Connections to other agents that stay open between calls, so that a call in a job's downtime
/// waits for no handshake and for nobody else's connection. One thread; it outlives its calls.
class ConnectionPool {
 public:
  /// Calls as http::call() does. The request is sent a second time, over a new connection, when the
  /// one that was kept turns out to be gone: only for what may be done twice.
  [[nodiscard]] boost::asio::awaitable<boost::json::value> call(Endpoint endpoint, Request request);

 private:
  /// A connection that waits for the next call.
  struct Idle {
    std::string endpoint;
    std::unique_ptr<Connection> connection;
    Connection::Deadline since;
  };
  [[nodiscard]] std::unique_ptr<Connection> take(const std::string& endpoint);
  void keep(const std::string& endpoint, std::unique_ptr<Connection> connection);

  std::list<Idle> idle_;  // oldest first
};

}  // namespace cardswap::http
