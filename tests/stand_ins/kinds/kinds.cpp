#include "tests/stand_ins/kinds/kinds.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstring>

namespace cardswap::test {

int must(long result, const char* doing) {
  if (result >= 0) return static_cast<int>(result);
  throw Missing(std::string(doing) + ": " + std::strerror(errno));
}
void* must_map(void* address) {
  if (address == MAP_FAILED) must(-1, "mmap");
  return address;
}

Open socket_of(int family, int type, int protocol) {
  return [=](const std::string&) -> Check {
    must(::socket(family, type, protocol), "socket");
    return {};
  };
}
Open file(const std::string& path, int flags) {
  return [=](const std::string&) -> Check {
    must(::open(path.c_str(), flags, 0600), path.c_str());
    return {};
  };
}
Open anonymous_memory(int flags, const std::function<int(void*, std::size_t)>& with) {
  return [=](const std::string&) -> Check {
    constexpr std::size_t kBytes = 4U << 20;
    auto* memory = static_cast<char*>(
        must_map(::mmap(nullptr, kBytes, PROT_READ | PROT_WRITE, MAP_ANONYMOUS | flags, -1, 0)));
    if (with) must(with(memory, kBytes), "madvise");
    std::memset(memory, 7, kBytes);
    return [=] { return memory[0] == 7 && memory[kBytes - 1] == 7; };
  };
}
Open timer(int clock) {
  return [=](const std::string&) -> Check {
    const int fd = must(::timerfd_create(clock, TFD_NONBLOCK), "timerfd_create");
    const itimerspec often{{0, 1'000'000}, {0, 1'000'000}};
    must(::timerfd_settime(fd, 0, &often, nullptr), "timerfd_settime");
    return [=] {
      std::uint64_t ticks = 0;
      return ::read(fd, &ticks, sizeof(ticks)) == sizeof(ticks) && ticks > 0;
    };
  };
}
Open child(const std::function<void()>& does) {
  return [=](const std::string&) -> Check {
    const pid_t pid = must(::fork(), "fork");
    if (pid == 0) {
      ::prctl(PR_SET_PDEATHSIG, SIGKILL);
      does();
      while (true) ::pause();
    }
    return [=] { return ::kill(pid, 0) == 0; };
  };
}

}  // namespace cardswap::test
