#include "agent/http/connection_pool.h"

#include <boost/json.hpp>
#include <optional>

namespace cardswap::http {
namespace {

namespace asio = boost::asio;
using Clock = std::chrono::steady_clock;

constexpr std::size_t kIdleMax = 16;
/// Shorter than a server waits for the next request, so that it does not close the connection
/// during a call.
constexpr std::chrono::seconds kIdleTimeMax{5};

}  // namespace

std::unique_ptr<Connection> ConnectionPool::take(const std::string& endpoint) {
  std::erase_if(idle_, [](const Idle& idle) {
    return Clock::now() - idle.since > kIdleTimeMax || !idle.connection->is_still_proven();
  });
  for (auto idle = idle_.begin(); idle != idle_.end(); ++idle) {
    if (idle->endpoint != endpoint) continue;
    auto connection = std::move(idle->connection);
    idle_.erase(idle);
    return connection;
  }
  return nullptr;
}

void ConnectionPool::keep(const std::string& endpoint, std::unique_ptr<Connection> connection) {
  idle_.push_back({endpoint, std::move(connection), Clock::now()});
  if (idle_.size() > kIdleMax) idle_.pop_front();
}

asio::awaitable<boost::json::value> ConnectionPool::call(Endpoint endpoint, Request request) {
  const auto deadline = Clock::now() + request.timeout;
  const auto name = endpoint.text();
  std::optional<Response> answer;
  auto connection = take(name);
  if (connection) {
    try {
      answer = co_await connection->exchange(request, deadline, true);
    } catch (const Error& error) {
      if (error.code() != Code::link_lost) throw;
    }
  }
  if (!answer) {
    connection = co_await Connection::open(endpoint, request, deadline);
    answer = co_await connection->exchange(request, deadline, true);
  }
  if (connection->is_reusable()) keep(name, std::move(connection));
  if (answer->status >= 400) throw error_in(endpoint, *answer);
  co_return std::move(answer->body);
}

}  // namespace cardswap::http
