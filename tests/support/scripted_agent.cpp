#include "tests/support/scripted_agent.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cstring>
#include <utility>

#include "tests/support/sanitizer.h"

namespace cardswap::test {
namespace {

void wait_for(int fd) {
  pollfd ready{fd, POLLIN, 0};
  if (::poll(&ready, 1, 20'000 * kPatience) <= 0) throw std::runtime_error("nothing came");
}

}  // namespace

RuntimeLine::RuntimeLine(RuntimeLine&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)), frames_(std::move(other.frames_)) {}

void RuntimeLine::close() {
  if (fd_ >= 0) ::close(std::exchange(fd_, -1));
}

void RuntimeLine::say(const channel::Message& message) const {
  const auto frame = channel::encode(message);
  if (::send(fd_, frame.data(), frame.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(frame.size())) {
    throw std::runtime_error("the runtime is gone");
  }
}

channel::Message RuntimeLine::next() {
  while (true) {
    if (const auto body = frames_.next()) return channel::decode(*body);
    wait_for(fd_);
    std::array<std::byte, 16384> piece;
    const auto got = ::recv(fd_, piece.data(), piece.size(), 0);
    if (got <= 0) throw std::runtime_error("the runtime closed its connection");
    frames_.feed(std::span(piece).first(static_cast<std::size_t>(got)));
  }
}

ScriptedAgent::ScriptedAgent(std::string path)
    : path_(std::move(path)), fd_(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strncpy(address.sun_path, path_.c_str(), sizeof(address.sun_path) - 1);
  if (::bind(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0 ||
      ::listen(fd_, 8) != 0) {
    throw std::runtime_error("cannot listen on " + path_);
  }
}

ScriptedAgent::~ScriptedAgent() {
  ::close(fd_);
  ::unlink(path_.c_str());
}

ScriptedAgent::Attached ScriptedAgent::hear() {
  wait_for(fd_);
  RuntimeLine line(::accept4(fd_, nullptr, nullptr, SOCK_CLOEXEC));
  auto hello = line.hear<channel::Hello>();
  return {std::move(line), std::move(hello)};
}

void ScriptedAgent::turn_away() const {
  wait_for(fd_);
  ::close(::accept4(fd_, nullptr, nullptr, SOCK_CLOEXEC));
}

ScriptedAgent::Attached ScriptedAgent::answer(const channel::Message& said) {
  auto attached = hear();
  attached.line.say(said);
  return attached;
}

}  // namespace cardswap::test
