#include "agent/cli/follow/follow_in_place.h"

#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <deque>
#include <optional>

#include "migrator/base/error.h"
#include "migrator/wire/frame_reader.h"
#include "migrator/wire/runtime_messages.h"

namespace cardswap::cli {
namespace {

constexpr int kReconnectMs = 1000;
constexpr int kLookEveryMs = 5000;

/// The connection to the agent of this host, while there is one.
class FollowLine {
 public:
  FollowLine(std::filesystem::path path, channel::Follow follow)
      : path_(std::move(path)), follow_(std::move(follow)) {}

  /// Connects and says what is followed; empty: done, else why not.
  std::string open() {
    frames_ = {};
    socket_.reset(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path_.string().size() >= sizeof(address.sun_path)) return "its socket's path is too long";
    std::strcpy(address.sun_path, path_.c_str());  // NOLINT: its length was checked
    // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast): the interface of sockets
    if (::connect(socket_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) !=
        0) {
      const auto why = std::string(std::strerror(errno));  // NOLINT: one thread
      socket_.reset();
      return why;
    }
    (void)send(follow_);
    return {};
  }
  [[nodiscard]] bool is_open() const { return static_cast<bool>(socket_); }
  [[nodiscard]] int fd() const { return socket_.get(); }
  void close() { socket_.reset(); }

  bool send(const channel::Message& message) {
    const auto frame = channel::encode(message);
    if (::send(socket_.get(), frame.data(), frame.size(), MSG_NOSIGNAL) ==
        static_cast<ssize_t>(frame.size())) {
      return true;
    }
    close();
    return false;
  }
  /// The next message that has come whole. Closes the connection at its end.
  std::optional<channel::Message> next() {
    if (auto body = frames_.next()) return channel::decode(*body);
    std::array<std::byte, 4096> piece{};
    const auto got = ::recv(socket_.get(), piece.data(), piece.size(), MSG_DONTWAIT);
    if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR)) close();
    if (got <= 0) return std::nullopt;
    frames_.feed(std::span(piece).first(static_cast<std::size_t>(got)));
    auto body = frames_.next();
    return body ? std::optional(channel::decode(*body)) : std::nullopt;
  }

 private:
  const std::filesystem::path path_;
  const channel::Follow follow_;
  Descriptor socket_;
  channel::FrameReader frames_;
};

/// One that says no for good is thrown.
void take_refusal(const channel::Refused& refused, OutcomeTeller& teller) {
  if (refused.code == Code::unauthorized) throw Error(refused.code, refused.failure, refused.hint);
  teller.tell_away(refused.failure);
}

/// What has come over the line; nullopt: it is not over.
std::optional<channel::Followed> hear(FollowLine& line, OutcomeTeller& teller) {
  while (line.is_open()) {
    const auto message = line.next();
    if (!message) return std::nullopt;
    if (const auto* refused = std::get_if<channel::Refused>(&*message)) {
      take_refusal(*refused, teller);
      line.close();
    } else if (const auto* news = std::get_if<channel::Followed>(&*message)) {
      teller.tell(*news);
      if (news->is_over()) return *news;
    }
  }
  return std::nullopt;
}

}  // namespace

Exit follow_in_place(const FollowedJob& followed, const std::filesystem::path& socket,
                     const std::string& token) {
  const LaunchersSignals signals;
  OutcomeTeller teller(followed);
  FollowLine line(socket,
                  {channel::kProtocolVersion, followed.job, token, followed.rank.value_or(0)});
  std::deque<int> owed;  // signals that the agent has not been told yet
  while (true) {
    std::string why;
    if (!line.is_open()) why = line.open();
    if (!why.empty()) teller.tell_away("the agent of this host does not answer: " + why);
    while (line.is_open() && !owed.empty() &&
           line.send(channel::Deliver{static_cast<std::uint32_t>(owed.front())})) {
      owed.pop_front();
    }
    std::array<pollfd, 2> waited{{{signals.fd(), POLLIN, 0}, {line.fd(), POLLIN, 0}}};
    (void)::poll(waited.data(), line.is_open() ? 2 : 1,
                 line.is_open() ? kLookEveryMs : kReconnectMs);
    while (const int signal = signals.next()) owed.push_back(signal);
    if (!line.is_open() || (waited[1].revents & (POLLIN | POLLHUP | POLLERR)) == 0) continue;
    if (const auto end = hear(line, teller)) return end_like(*end);
    if (!line.is_open()) {  // it comes back, or will; not at once, so as not to spin
      std::array<pollfd, 1> pause{{{signals.fd(), POLLIN, 0}}};
      (void)::poll(pause.data(), pause.size(), kReconnectMs);
    }
  }
}

}  // namespace cardswap::cli
