// The kinds of open things with which a process moves.

#include <fcntl.h>
#include <linux/filter.h>
#include <linux/netlink.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>

#include <array>
#include <cstdint>
#include <ctime>

#include "tests/stand_ins/kinds/kinds.h"

namespace cardswap::test {

std::map<std::string, Open> kinds_that_move() {
  return {
      {"eventfd",
       [](const std::string&) -> Check {
         const int fd = must(::eventfd(3, EFD_NONBLOCK), "eventfd");
         return [=] {
           std::uint64_t count = 0;
           return ::read(fd, &count, sizeof(count)) == sizeof(count) && count == 3;
         };
       }},
      {"epoll",
       [](const std::string&) -> Check {
         const int fd = must(::epoll_create1(0), "epoll_create1");
         epoll_event event{EPOLLIN, {}};
         must(::epoll_ctl(fd, EPOLL_CTL_ADD, must(::eventfd(1, 0), "eventfd"), &event),
              "epoll_ctl");
         return [=] {
           epoll_event got{};
           return ::epoll_wait(fd, &got, 1, 0) == 1;
         };
       }},
      {"signalfd",
       [](const std::string&) -> Check {
         sigset_t set;
         ::sigemptyset(&set);
         ::sigaddset(&set, SIGUSR1);
         must(::signalfd(-1, &set, 0), "signalfd");
         return {};
       }},
      {"timerfd", timer(CLOCK_MONOTONIC)},
      {"inotify",
       [](const std::string&) -> Check { return must(::inotify_init1(0), "inotify"), Check(); }},
      {"own-pidfd",
       [](const std::string&) -> Check {
         must(::syscall(SYS_pidfd_open, ::getpid(), 0), "pidfd_open");
         return {};
       }},
      {"sealed-memfd",
       [](const std::string&) -> Check {
         const int fd = must(::memfd_create("sealed", MFD_ALLOW_SEALING), "memfd_create");
         must(::write(fd, "abc", 3), "write");
         must(::fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK), "seal");
         return [=] {
           std::array<char, 4> text{};
           return ::pread(fd, text.data(), 3, 0) == 3 && std::string(text.data()) == "abc" &&
                  ::pwrite(fd, "x", 1, 0) < 0;
         };
       }},
      {"unix-socket", socket_of(AF_UNIX, SOCK_STREAM)},
      {"unix-pair",
       [](const std::string&) -> Check {
         std::array<int, 2> ends{};
         must(::socketpair(AF_UNIX, SOCK_STREAM, 0, ends.data()), "socketpair");
         must(::write(ends[0], "abc", 3), "write");
         return [=] {
           std::array<char, 4> text{};
           return ::read(ends[1], text.data(), 3) == 3 && std::string(text.data()) == "abc";
         };
       }},
      {"netlink", socket_of(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE)},
      {"pipe",
       [](const std::string&) -> Check {
         std::array<int, 2> ends{};
         must(::pipe(ends.data()), "pipe");
         must(::write(ends[1], "abc", 3), "write");
         return [=] {
           std::array<char, 4> text{};
           return ::read(ends[0], text.data(), 3) == 3 && std::string(text.data()) == "abc";
         };
       }},
      {"own-proc-file", file("/proc/self/stat")},
      {"proc-file", file("/proc/meminfo")},
      {"proc-folder", file("/proc", O_RDONLY | O_DIRECTORY)},
      {"sys-file", file("/sys/devices/system/cpu/online")},
      {"memory-devices",
       [](const std::string&) -> Check {
         for (const auto* path : {"/dev/zero", "/dev/full", "/dev/random", "/dev/urandom"}) {
           must(::open(path, O_RDONLY), path);
         }
         return {};
       }},
      {"shared-memory", anonymous_memory(MAP_SHARED)},
      {"transparent-huge-pages", anonymous_memory(MAP_PRIVATE,
                                                  [](void* memory, std::size_t bytes) {
                                                    return ::madvise(memory, bytes, MADV_HUGEPAGE);
                                                  })},
      {"locked-memory", anonymous_memory(MAP_PRIVATE,
                                         [](void* memory, std::size_t bytes) {
                                           return ::mlock(memory, bytes / 64);
                                         })},
      {"folder", file("/usr", O_PATH | O_DIRECTORY)},
      {"process-timer",
       [](const std::string&) -> Check {
         ::signal(SIGALRM, SIG_IGN);
         const itimerval far{{1000, 0}, {1000, 0}};
         must(::setitimer(ITIMER_REAL, &far, nullptr), "setitimer");
         return [] {
           itimerval left{};
           return ::getitimer(ITIMER_REAL, &left) == 0 && left.it_value.tv_sec > 0;
         };
       }},
      {"posix-timer",
       [](const std::string&) -> Check {
         sigevent event{};
         event.sigev_notify = SIGEV_SIGNAL;
         event.sigev_signo = SIGUSR1;
         ::signal(SIGUSR1, SIG_IGN);
         timer_t made{};
         must(::timer_create(CLOCK_MONOTONIC, &event, &made), "timer_create");
         return {};
       }},
      {"seccomp",
       [](const std::string&) -> Check {
         sock_filter allow{BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ALLOW};
         const sock_fprog program{1, &allow};
         must(::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "no_new_privs");
         must(::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program), "seccomp");
         return {};
       }},
      {"child", child([] {})},
  };
}

}  // namespace cardswap::test
