#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <functional>
#include <optional>
#include <string>

#include "migrator/base/descriptor.h"

namespace cardswap {

/// Reports the agent's state to the service manager by the protocol of sd_notify(3) on
/// $NOTIFY_SOCKET. Does nothing without that socket; never throws or blocks. The event loop's
/// thread only: a loop that hangs sends no heartbeat, so the manager restarts the agent.
class ServiceNotifier {
 public:
  /// Reads $NOTIFY_SOCKET, $WATCHDOG_USEC and $WATCHDOG_PID and removes them from the environment.
  /// Construct it before there are other threads.
  explicit ServiceNotifier(boost::asio::io_context& context);
  ServiceNotifier(const ServiceNotifier&) = delete;
  ServiceNotifier& operator=(const ServiceNotifier&) = delete;

  /// Sends READY=1, and from then on a heartbeat with the line that `status()` returns: twice in
  /// the time that the watchdog allows, or every 10 s without a watchdog.
  void ready(std::function<std::string()> status);
  /// Sends STOPPING=1 and ends the heartbeat.
  void stopping();

 private:
  void send(const std::string& state) const;
  void beat();

  Descriptor socket_;
  std::string address_;  ///< a path; '@' at its start: an abstract address
  std::chrono::microseconds every_{};
  bool watched_ = false;
  std::function<std::string()> status_;
  boost::asio::steady_timer timer_;
};

}  // namespace cardswap
