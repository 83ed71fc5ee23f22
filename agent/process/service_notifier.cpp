#include "agent/process/service_notifier.h"

#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstddef>
#include <cstdlib>
#include <cstring>

#include "agent/base/text_parts.h"

namespace cardswap {
namespace {

constexpr std::chrono::seconds kStatusEvery{10};

/// Empty without one. Called before there are other threads.
std::string taken_from_environment(const char* name) {
  const char* value = std::getenv(name);  // NOLINT(concurrency-mt-unsafe)
  std::string result = value == nullptr ? "" : value;
  ::unsetenv(name);  // NOLINT(concurrency-mt-unsafe)
  return result;
}

}  // namespace

ServiceNotifier::ServiceNotifier(boost::asio::io_context& context)
    : address_(taken_from_environment("NOTIFY_SOCKET")), timer_(context) {
  const auto watchdog =
      number_in<std::uint64_t>(taken_from_environment("WATCHDOG_USEC")).value_or(0);
  const auto whose = taken_from_environment("WATCHDOG_PID");
  watched_ = watchdog > 0 && (whose.empty() || number_in<pid_t>(whose) == ::getpid());
  every_ = watched_ ? std::chrono::microseconds(std::max<std::uint64_t>(watchdog / 2, 1000))
                    : std::chrono::microseconds(kStatusEvery);
  const bool usable = (address_.starts_with('/') || address_.starts_with('@')) &&
                      address_.size() < sizeof(sockaddr_un::sun_path);
  if (usable) socket_.reset(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
}

void ServiceNotifier::send(const std::string& state) const {
  if (!socket_) return;
  sockaddr_un to{};
  to.sun_family = AF_UNIX;
  std::memcpy(to.sun_path, address_.data(), address_.size());
  // An abstract name begins with a zero byte and ends with the address; a path ends with a zero.
  const bool abstract = address_.starts_with('@');
  if (abstract) to.sun_path[0] = 0;
  const auto size = offsetof(sockaddr_un, sun_path) + address_.size() + (abstract ? 0 : 1);
  // A manager that does not listen is no reason to stop serving jobs.
  [[maybe_unused]] const auto sent =
      ::sendto(socket_.get(), state.data(), state.size(), MSG_NOSIGNAL,
               reinterpret_cast<const sockaddr*>(&to), static_cast<socklen_t>(size));
}

void ServiceNotifier::ready(std::function<std::string()> status) {
  if (!socket_) return;
  status_ = std::move(status);
  send(fmt::format("READY=1\nSTATUS={}\n", status_()));
  ping_watchdog();
}

void ServiceNotifier::ping_watchdog() {
  timer_.expires_after(every_);
  timer_.async_wait([this](const boost::system::error_code& error) {
    if (error) return;
    send(fmt::format("{}STATUS={}\n", watched_ ? "WATCHDOG=1\n" : "", status_()));
    ping_watchdog();
  });
}

void ServiceNotifier::stopping() {
  timer_.cancel();
  send("STOPPING=1\nSTATUS=stopping; the jobs go on\n");
}

}  // namespace cardswap
