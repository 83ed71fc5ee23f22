#include "agent/http/lines.h"

#include <boost/json.hpp>
#include <optional>

namespace cardswap::http {
namespace {

namespace asio = boost::asio;
using Clock = std::chrono::steady_clock;

constexpr std::size_t kIdleMax = 16;
/// Shorter than a server waits for the next request: it would close the line under a call.
constexpr std::chrono::seconds kIdleTimeMax{5};

}  // namespace

std::unique_ptr<Line> Lines::take(const std::string& endpoint) {
  std::erase_if(idle_, [](const Idle& idle) {
    return Clock::now() - idle.since > kIdleTimeMax || !idle.line->still_proven();
  });
  for (auto idle = idle_.begin(); idle != idle_.end(); ++idle) {
    if (idle->endpoint != endpoint) continue;
    auto line = std::move(idle->line);
    idle_.erase(idle);
    return line;
  }
  return nullptr;
}

void Lines::keep(const std::string& endpoint, std::unique_ptr<Line> line) {
  idle_.push_back({endpoint, std::move(line), Clock::now()});
  if (idle_.size() > kIdleMax) idle_.pop_front();
}

asio::awaitable<boost::json::value> Lines::call(Endpoint endpoint, Request request) {
  const auto deadline = Clock::now() + request.timeout;
  const auto name = endpoint.text();
  std::optional<Answer> answer;
  auto line = take(name);
  if (line) {
    try {
      answer = co_await line->exchange(request, deadline, true);
    } catch (const Error& error) {
      if (error.code() != Code::link_lost) throw;
    }
  }
  if (!answer) {
    line = co_await Line::open(endpoint, request, deadline);
    answer = co_await line->exchange(request, deadline, true);
  }
  if (line->kept()) keep(name, std::move(line));
  if (answer->status >= 400) throw error_of(endpoint, *answer);
  co_return std::move(answer->body);
}

}  // namespace cardswap::http
