#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <chrono>
#include <cstddef>
#include <string>
#include <string_view>
#include <utility>

#include "agent/base/signal.h"

namespace cardswap {

/// What is on its way into a socket whose other end may read slowly, or never. One thread.
class OutgoingBytes {
 public:
  /// Lets `bytes_max` bytes wait at most.
  explicit OutgoingBytes(std::size_t bytes_max) : bytes_max_(bytes_max) {}

  /// Queues `bytes` behind what waits already; returns at once. False, and nothing is queued, where
  /// more than the most would wait, or after finish().
  [[nodiscard]] bool add(std::string_view bytes) {
    if (finished_ || being_written_ + waiting_.size() + bytes.size() > bytes_max_) return false;
    waiting_.append(bytes);
    changed_.notify();
    return true;
  }
  /// Lets write_to() end behind what waits; nothing more is queued.
  void finish() {
    finished_ = true;
    changed_.notify();
  }
  /// Writes what is queued until finish(), or until `socket` fails, as a closed one does. Both must
  /// outlive the coroutine. Throws when it is cancelled.
  template <class Socket>
  asio::awaitable<void> write_to(Socket& socket) {
    boost::system::error_code error;
    while (!error) {
      while (!waiting_.empty() && !error) {
        const auto piece = std::exchange(waiting_, {});
        being_written_ = piece.size();
        co_await asio::async_write(socket, asio::buffer(piece),
                                   asio::redirect_error(asio::use_awaitable, error));
        being_written_ = 0;
      }
      if (error || finished_) co_return;
      co_await changed_.wait_until(std::chrono::steady_clock::now() + std::chrono::hours(1));
    }
  }

 private:
  const std::size_t bytes_max_;
  std::string waiting_;
  std::size_t being_written_ = 0;
  bool finished_ = false;
  Signal changed_;
};

}  // namespace cardswap
