#include "agent/base/resolve.h"

#include <boost/asio/this_coro.hpp>
#include <memory>
#include <utility>

#include "agent/base/signal.h"

namespace cardswap {
namespace {

using asio::ip::tcp;

/// A question to the resolver, shared by the handler of its answer and by the waiting coroutine.
struct Question {
  explicit Question(const asio::any_io_executor& executor) : resolver(executor) {}

  tcp::resolver resolver;
  bool is_answered = false;
  Resolved answer;
  Signal answered;
};

}  // namespace

asio::awaitable<Resolved> resolve(std::string host, std::uint16_t port,
                                  std::chrono::steady_clock::time_point until) {
  Resolved result;
  const auto address = asio::ip::make_address(host, result.error);
  if (!result.error) {  // numeric: no resolver's thread
    result.endpoints.emplace_back(address, port);
    co_return result;
  }
  const auto question = std::make_shared<Question>(co_await asio::this_coro::executor);
  question->resolver.async_resolve(
      host, std::to_string(port),
      [question](const boost::system::error_code& error, const tcp::resolver::results_type& found) {
        question->is_answered = true;
        question->answer.error = error;
        for (const auto& one : found) question->answer.endpoints.push_back(one.endpoint());
        question->answered.notify();
      });
  co_await question->answered.wait_until(until);
  if (question->is_answered) co_return std::move(question->answer);
  result.error = asio::error::timed_out;
  co_return result;
}

}  // namespace cardswap
