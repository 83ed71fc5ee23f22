#include "tests/bench/agent_side.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <system_error>
#include <utility>

#include "migrator/base/mutex.h"

namespace cardswap::bench {
namespace {

using channel::Role;

[[noreturn]] void fail(const char* doing) {
  throw std::system_error(errno, std::generic_category(), doing);
}

}  // namespace

AgentSide::AgentSide() : folder_("/tmp/cardswap-bench-XXXXXX") {
  if (::mkdtemp(folder_.data()) == nullptr) fail("mkdtemp");
  path_ = folder_ + "/agent";
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path_.c_str(), path_.size());
  listener_ = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (::bind(listener_, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0 ||
      ::listen(listener_, 4) != 0) {
    fail("listen");
  }
  wake_ = ::eventfd(0, EFD_CLOEXEC);
  thread_ = std::jthread([this](const std::stop_token& stop) { run(stop); });
}

AgentSide::~AgentSide() {
  thread_.request_stop();
  const std::uint64_t one = 1;
  [[maybe_unused]] const auto written = ::write(wake_, &one, sizeof(one));
  thread_.join();
  for (const auto& connection : connections_) ::close(connection->fd);
  ::close(listener_);
  ::close(wake_);
  ::unlink(path_.c_str());
  ::rmdir(folder_.c_str());
}

std::vector<std::string> AgentSide::environment(Role role) const {
  return {"CARDSWAP_SOCKET=" + path_, "CARDSWAP_JOB=bench", "CARDSWAP_TOKEN=token",
          "CARDSWAP_DEVICE=cpu:0",
          role == Role::standby ? "CARDSWAP_ROLE=standby" : "CARDSWAP_ROLE=primary"};
}

void AgentSide::say(Role to, const channel::Message& message) {
  const auto frame = channel::encode(message);
  const MutexLock lock(mutex_);
  const auto found = roles_.find(to);
  if (found == roles_.end()) throw std::runtime_error("no runtime is connected in that role");
  if (::send(found->second, frame.data(), frame.size(), MSG_NOSIGNAL) !=
      static_cast<ssize_t>(frame.size())) {
    fail("send to the runtime");
  }
}

void AgentSide::forget() {
  const MutexLock lock(mutex_);
  heard_.clear();
}

void AgentSide::run(const std::stop_token& stop) {
  while (!stop.stop_requested()) {
    std::vector<pollfd> fds{{wake_, POLLIN, 0}, {listener_, POLLIN, 0}};
    for (const auto& connection : connections_) fds.push_back({connection->fd, POLLIN, 0});
    ::poll(fds.data(), fds.size(), -1);
    for (std::size_t i = connections_.size(); i-- > 0;) {
      if (fds[i + 2].revents == 0 || serve(*connections_[i])) continue;
      const MutexLock lock(mutex_);
      std::erase_if(roles_, [&](const auto& r) { return r.second == connections_[i]->fd; });
      ::close(connections_[i]->fd);
      connections_.erase(connections_.begin() + static_cast<std::ptrdiff_t>(i));
    }
    if ((fds[1].revents & POLLIN) != 0) {
      const int fd = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
      if (fd >= 0) connections_.push_back(std::make_unique<Connection>(Connection{fd, {}, {}}));
    }
  }
}

/// False once the peer is gone or not to be understood.
bool AgentSide::serve(Connection& connection) {
  std::array<std::byte, 16384> piece;
  const auto got = ::recv(connection.fd, piece.data(), piece.size(), 0);
  if (got <= 0) return false;
  try {
    connection.frames.feed(std::span(piece).first(static_cast<std::size_t>(got)));
    while (const auto body = connection.frames.next()) take(connection, channel::decode(*body));
    return true;
  } catch (const Error&) {
    return false;
  }
}

void AgentSide::take(Connection& connection, const channel::Message& message) {
  if (const auto* hello = std::get_if<channel::Hello>(&message)) {
    connection.role = hello->role;
    {
      const MutexLock lock(mutex_);
      roles_[hello->role] = connection.fd;
    }
    channel::Welcome welcome;
    welcome.granted = hello->role == Role::primary;
    welcome.epoch = welcome.granted ? 1 : 0;
    if (!welcome.granted) {
      welcome.migration = "bench";
      welcome.data_host = "127.0.0.1";
      welcome.data_token = "token";
      welcome.transports = "tcp";
    }
    say(hello->role, welcome);
    return;
  }
  if (std::holds_alternative<channel::Stepped>(message)) return;
  const MutexLock lock(mutex_);
  heard_.push_back(message);
  changed_.notify_all();
}

}  // namespace cardswap::bench
