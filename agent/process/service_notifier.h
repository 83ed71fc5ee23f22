#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <functional>
#include <optional>
#include <string>

#include "migrator/base/descriptor.h"

namespace cardswap {

/// Reports the agent's state to the service manager: sd_notify(3)'s protocol on $NOTIFY_SOCKET,
/// without its library. Does nothing without that socket. Used on the event loop's thread only: a
/// loop that hangs sends no heartbeat, so the manager restarts the agent.
class ServiceNotifier {
 public:
  /// Takes $NOTIFY_SOCKET, $WATCHDOG_USEC and $WATCHDOG_PID out of the environment.
  explicit ServiceNotifier(boost::asio::io_context& context);
  ServiceNotifier(const ServiceNotifier&) = delete;
  ServiceNotifier& operator=(const ServiceNotifier&) = delete;

  /// Says READY=1; from here on sends a heartbeat with `status()`'s line twice in the time that the
  /// watchdog allows, or every 10 s without one.
  void ready(std::function<std::string()> status);
  void stopping();

 private:
  void send(const std::string& state) const;
  void beat();

  Descriptor socket_;
  std::string address_;  ///< '@' at its start: an abstract one
  std::chrono::microseconds every_{};
  bool watched_ = false;
  std::function<std::string()> status_;
  boost::asio::steady_timer timer_;
};

}  // namespace cardswap
