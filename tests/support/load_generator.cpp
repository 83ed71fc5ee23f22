#include "tests/support/load_generator.h"

#include <arpa/inet.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <stdexcept>
#include <string_view>
#include <vector>

namespace cardswap::test {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::string_view kQuestion =
    "GET /v1/jobs HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
constexpr std::string_view kSlowRequest = "GET /v1/jobs HTTP/1.1\r\nHost: localhost\r\nX-Slow: ";
constexpr std::chrono::milliseconds kByteEvery{500};
/// A client that was answered asks again after this long: a thousand of them are a load, not a test
/// of how fast the machine is.
constexpr std::chrono::milliseconds kAskEvery{500};

struct Client {
  int fd = -1;
  bool is_slow = false;
  bool connected = false;
  bool answered = false;
  std::size_t sent = 0;
  Clock::time_point due;
};

void begin(Client& client, std::uint16_t port) {
  client.fd = ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  client.connected = client.answered = false;
  client.sent = 0;
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (client.fd >= 0) {
    (void)::connect(client.fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address));
  }
}

}  // namespace

LoadGenerator::LoadGenerator(std::uint16_t port, int asking, int slow) {
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
  if (limit.rlim_cur < static_cast<rlim_t>(asking + slow + 100)) {
    throw std::runtime_error("this machine allows too few open files");
  }
  thread_ = std::jthread(
      [this, port, asking, slow](const std::stop_token& s) { run(s, port, asking, slow); });
}

LoadGenerator::~LoadGenerator() = default;

void LoadGenerator::run(const std::stop_token& stop, std::uint16_t port, int asking, int slow) {
  std::vector<Client> clients(static_cast<std::size_t>(asking + slow));
  std::vector<pollfd> fds(clients.size());
  for (std::size_t i = 0; i < clients.size(); ++i) {
    clients[i].is_slow = i % 2 == 0 ? slow > 0 : asking == 0;
    begin(clients[i], port);
  }
  while (!stop.stop_requested()) {
    const auto now = Clock::now();
    std::uint64_t open = 0;
    for (std::size_t i = 0; i < clients.size(); ++i) {
      auto& client = clients[i];
      if (client.fd < 0 && now >= client.due) begin(client, port);
      const bool writes = !client.connected || (client.is_slow && now >= client.due);
      fds[i] = {client.fd, static_cast<short>(POLLIN | (writes ? POLLOUT : 0)), 0};
      if (client.connected) ++open;
    }
    open_ = open;
    if (::poll(fds.data(), fds.size(), 20) <= 0) continue;
    for (std::size_t i = 0; i < clients.size(); ++i) {
      auto& client = clients[i];
      if (client.fd < 0 || fds[i].revents == 0) continue;
      bool gone = (fds[i].revents & (POLLERR | POLLHUP)) != 0;
      if (!gone && (fds[i].revents & POLLOUT) != 0) {
        client.connected = true;
        const auto text = client.is_slow ? kSlowRequest : kQuestion;
        const auto rest = client.sent < text.size() ? text.substr(client.sent) : "x";
        const auto piece = client.is_slow && client.sent >= text.size() ? 1 : rest.size();
        const auto wrote = ::send(client.fd, rest.data(), piece, MSG_NOSIGNAL);
        if (wrote > 0) client.sent += static_cast<std::size_t>(wrote);
        if (client.is_slow) client.due = Clock::now() + kByteEvery;
      }
      if ((fds[i].revents & POLLIN) != 0) {
        std::array<char, 4096> answer{};
        const auto got = ::recv(client.fd, answer.data(), answer.size(), 0);
        if (got > 0) client.answered = true;
        gone = gone || got <= 0;
      }
      if (!gone) continue;
      ::close(client.fd);
      client.fd = -1;
      client.connected = false;
      ++(client.answered ? answers_ : thrown_out_);
      client.due = Clock::now() + kAskEvery;
    }
  }
  for (const auto& client : clients) {
    if (client.fd >= 0) ::close(client.fd);
  }
}

}  // namespace cardswap::test
