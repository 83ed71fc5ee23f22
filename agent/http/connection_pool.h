#pragma once

#include <list>
#include <memory>
#include <string>

#include "agent/http/connection.h"

namespace cardswap::http {

/// Keeps connections to other agents open between calls, so that a call in a job's downtime waits
/// neither for a handshake nor for another call's connection. Keeps at most 16 idle ones, each for
/// 5 s. One thread; the pool outlives its calls.
class ConnectionPool {
 public:
  /// Makes a call over TCP, and throws, as http::call() does; on a kept connection `only_of` is not
  /// checked. If a kept connection turns out to be gone, the request is sent again over a new one:
  /// only for requests that may be done twice.
  [[nodiscard]] boost::asio::awaitable<boost::json::value> call(Endpoint endpoint, Request request);

 private:
  /// A connection that no call uses now.
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
