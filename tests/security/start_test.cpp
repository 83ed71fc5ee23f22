// A program's start, where others crowd the socket on which runtimes find their agent.

#include <fcntl.h>
#include <gmock/gmock.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <vector>

#include "migrator/base/descriptor.h"
#include "tests/support/hosts.h"
#include "tests/support/needs.h"

namespace cardswap::test {
namespace {

using namespace std::chrono_literals;

/// None, and why not in `error`.
Descriptor connection_to(const sockaddr_un& address, int& error) {
  Descriptor fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) {
    error = errno;
    return {};
  }
  return fd;
}

TEST(AProgramsStart, WaitsForItsTurnWhereOthersHaveFilledTheQueue) {
  if (::geteuid() != 0)
    return skip_without("root", "what another process waits for is told to root");
  const TempDir dir;
  const auto path = (dir.path() / "runtime.sock").string();
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path.c_str(), path.size());
  const Descriptor listener(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  ASSERT_EQ(::bind(listener.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)),
            0);
  ASSERT_EQ(::listen(listener.get(), 1), 0);
  std::vector<Descriptor> crowd;
  int error = 0;
  for (auto one = connection_to(address, error); one; one = connection_to(address, error)) {
    crowd.push_back(std::move(one));
    ASSERT_LT(crowd.size(), 100U);
  }
  ASSERT_EQ(error, EAGAIN);

  Child program({"env", "CARDSWAP_SOCKET=" + path, "CARDSWAP_JOB=job", "CARDSWAP_INSTANCE=i",
                 "CARDSWAP_TOKEN=token", "CARDSWAP_DEVICE=cpu:0", "CARDSWAP_ROLE=primary",
                 trainer("plain_memory"), "--steps", "10"},
                (dir.path() / "log").string());
  const auto wchan = "/proc/" + std::to_string(program.pid()) + "/wchan";
  ASSERT_TRUE(within(20s, [&] {
    return program.ended() || read_file(wchan).find("unix_wait_for_peer") != std::string::npos;
  }));
  ASSERT_FALSE(program.ended()) << read_file((dir.path() / "log").string());
  const auto said_hello = [&] {
    const Descriptor next(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
    pollfd heard{next.get(), POLLIN, 0};
    char first = 0;
    return ::poll(&heard, 1, 200) == 1 && ::recv(next.get(), &first, 1, 0) == 1;
  };
  EXPECT_TRUE(within(5s, said_hello)) << read_file((dir.path() / "log").string());
}

}  // namespace
}  // namespace cardswap::test
