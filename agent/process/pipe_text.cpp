#include "agent/process/pipe_text.h"

#include <array>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "agent/base/time_limit.h"

namespace cardswap {

namespace asio = boost::asio;

asio::awaitable<std::optional<std::string>> text_through(Descriptor pipe, std::size_t max,
                                                         std::chrono::milliseconds limit) {
  const auto executor = co_await asio::this_coro::executor;
  asio::posix::stream_descriptor from(executor, pipe.release());
  const TimeLimit whole(executor, limit, [&from] {
    boost::system::error_code ignored;
    from.cancel(ignored);
  });
  std::string text;
  std::array<char, 4096> piece{};
  boost::system::error_code error;
  while (!error && text.size() < max) {
    const auto got = co_await from.async_read_some(
        asio::buffer(piece), asio::redirect_error(asio::use_awaitable, error));
    text.append(piece.data(), got);
  }
  const auto state = co_await asio::this_coro::cancellation_state;
  if (state.cancelled() != asio::cancellation_type::none) {
    throw boost::system::system_error(asio::error::operation_aborted);
  }
  if (whole.is_over()) co_return std::nullopt;
  co_return text;
}

}  // namespace cardswap
