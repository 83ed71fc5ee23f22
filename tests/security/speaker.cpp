/// A job whose program speaks to the agent as its runtime would, and says what it is told to:
/// argv[1] is a folder. `token` is written there; then, once `script` is there, each of its pieces
/// (u32 size, bytes) is said on a connection of its own, behind a proper Hello where it is none;
/// `done` is written at the end. It stays attached from then on, as a job that steps slowly.

#include <poll.h>
#include <sys/inotify.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "migrator/base/descriptor.h"
#include "migrator/core/wire_reader.h"
#include "migrator/wire/runtime_messages.h"

namespace {

using namespace cardswap;
namespace fs = std::filesystem;

std::string setting(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

/// To the agent, or to the next one once it listens where a former one did.
Descriptor connected() {
  const fs::path path = setting("CARDSWAP_SOCKET");
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strncpy(address.sun_path, path.c_str(), sizeof(address.sun_path) - 1);
  const Descriptor changes(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
  ::inotify_add_watch(changes.get(), path.parent_path().c_str(), IN_CREATE | IN_MOVED_TO);
  Descriptor socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  while (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) !=
         0) {
    pollfd change{changes.get(), POLLIN, 0};
    ::poll(&change, 1, 20);  // it is there a moment before somebody listens
    char events[4096];
    [[maybe_unused]] const auto seen = ::read(changes.get(), events, sizeof(events));
    socket = Descriptor(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  }
  const timeval soon{0, 8'000};
  ::setsockopt(socket.get(), SOL_SOCKET, SO_RCVTIMEO, &soon, sizeof(soon));
  return socket;
}

void say(const Descriptor& socket, std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const auto sent = ::send(socket.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent <= 0) return;
    bytes = bytes.subspan(static_cast<std::size_t>(sent));
  }
}

/// Until nothing comes for a moment, or the agent closes.
void listen_a_moment(const Descriptor& socket) {
  char piece[4096];
  while (::recv(socket.get(), piece, sizeof(piece), 0) > 0) {
  }
}

/// Until `folder` has a file of that name.
void wait_for(const fs::path& folder, const char* name) {
  const Descriptor changes(::inotify_init1(IN_CLOEXEC));
  ::inotify_add_watch(changes.get(), folder.c_str(), IN_CREATE | IN_MOVED_TO);
  while (!fs::exists(folder / name)) {
    char events[4096];
    if (::read(changes.get(), events, sizeof(events)) <= 0) return;
  }
}

std::vector<std::byte> hello() {
  channel::Hello hello;
  hello.job = setting("CARDSWAP_JOB");
  hello.token = setting("CARDSWAP_TOKEN");
  hello.pid = static_cast<std::uint64_t>(::getpid());
  hello.framework = "none";
  hello.epoch = 1;
  if (setting("CARDSWAP_ROLE") == "standby") hello.role = channel::Role::standby;
  return channel::encode(hello);
}

}  // namespace

int main(int, char** argv) {
  const fs::path folder = argv[1];
  const auto own = hello();
  {
    const auto socket = connected();
    say(socket, own);
    if (setting("CARDSWAP_ROLE") == "standby") std::ofstream(folder / "standby").close();
    say(socket, channel::encode(channel::Tracked{1U << 20, 1}));
    std::ofstream(folder / "token") << setting("CARDSWAP_TOKEN");
    wait_for(folder, "script");
  }
  std::ifstream file(folder / "script", std::ios::binary);
  const std::string text((std::istreambuf_iterator<char>(file)), {});
  wire::WireReader script(std::as_bytes(std::span(text)));
  for (std::size_t left = text.size(); left > 0;) {
    const auto piece = script.blob(1U << 24);
    left -= sizeof(std::uint32_t) + piece.size();
    const auto socket = connected();
    // A Hello takes the place of the proper one: its kind is the first of all.
    if (piece.size() < 6 || piece[4] != std::byte{1} || piece[5] != std::byte{0}) say(socket, own);
    say(socket, piece);
    listen_a_moment(socket);
  }
  for (bool told = false;;) {
    const auto socket = connected();
    say(socket, own);
    say(socket, channel::encode(channel::Tracked{1U << 20, 1}));
    say(socket, channel::encode(channel::Stepped{7, 10}));
    listen_a_moment(socket);
    if (!told) std::ofstream(folder / "done").close();
    told = true;
    char byte = 0;
    while (true) {
      const auto got = ::recv(socket.get(), &byte, 1, 0);
      if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR)) break;
    }
  }
}
