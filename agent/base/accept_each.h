#pragma once

#include <boost/asio/awaitable.hpp>
#include <chrono>
#include <utility>

#include "agent/base/signal.h"
#include "agent/base/task_group.h"

namespace cardswap {

/// Calls `take(socket)` for each connection that `acceptor` gets, until it is closed. What cannot
/// be accepted, out of descriptors, say, is tried again: others go on meanwhile. `acceptor` must
/// outlive the coroutine.
template <class Acceptor, class Take>
asio::awaitable<void> accept_each(Acceptor& acceptor, Take take) {
  while (acceptor.is_open()) {
    boost::system::error_code error;
    auto socket = co_await acceptor.async_accept(asio::redirect_error(asio::use_awaitable, error));
    if (error == asio::error::operation_aborted) co_return;
    if (error) {
      co_await pause_for(std::chrono::milliseconds(50));
      continue;
    }
    take(std::move(socket));
  }
}

}  // namespace cardswap
