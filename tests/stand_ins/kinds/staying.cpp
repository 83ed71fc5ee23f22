// The kinds of open things with which a process must stay, each for its own reason.

#include <fcntl.h>
#include <linux/aio_abi.h>
#include <linux/bpf.h>
#include <linux/io_uring.h>
#include <linux/netlink.h>
#include <linux/perf_event.h>
#include <mqueue.h>
#include <pty.h>
#include <sched.h>
#include <sys/eventfd.h>
#include <sys/fanotify.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <ctime>

#include "tests/stand_ins/kinds/kinds.h"

namespace cardswap::test {
namespace {

Open lock(const std::function<int(int)>& take, int flags = O_RDWR) {
  return [=](const std::string& dir) -> Check {
    const int fd = must(::open((dir + "/locked").c_str(), flags | O_CREAT, 0644), "open");
    must(take(fd), "lock");
    return {};
  };
}
int record_lock(int fd, int command) {
  struct flock range {};
  range.l_type = F_WRLCK;
  return ::fcntl(fd, command, &range);
}

/// Locks for which others may wait, and sockets that others know.
std::map<std::string, Open> locks_and_sockets() {
  return {
      {"flock", lock([](int fd) { return ::flock(fd, LOCK_EX); })},
      {"posix-lock", lock([](int fd) { return record_lock(fd, F_SETLK); })},
      {"ofd-lock", lock([](int fd) { return record_lock(fd, F_OFD_SETLK); })},
      {"lease", lock([](int fd) { return ::fcntl(fd, F_SETLEASE, F_RDLCK); }, O_RDONLY)},
      {"tcp", socket_of(AF_INET, SOCK_STREAM)},
      {"udp6", socket_of(AF_INET6, SOCK_DGRAM)},
      {"vsock", socket_of(AF_VSOCK, SOCK_STREAM)},
      {"packet", socket_of(AF_PACKET, SOCK_RAW, 0)},
      {"raw", socket_of(AF_INET, SOCK_RAW, 1)},
      {"bound-netlink",
       [](const std::string&) -> Check {
         const int fd = must(::socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE), "socket");
         sockaddr_nl address{};
         address.nl_family = AF_NETLINK;
         must(::bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)), "bind");
         return {};
       }},
      {"named-unix-socket",
       [](const std::string& dir) -> Check {
         const int fd = must(::socket(AF_UNIX, SOCK_STREAM, 0), "socket");
         sockaddr_un address{};
         address.sun_family = AF_UNIX;
         std::snprintf(address.sun_path, sizeof(address.sun_path), "%s/s", dir.c_str());
         must(::bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)), "bind");
         return {};
       }},
  };
}

/// What the kernel does or keeps for the process and an image does not contain.
std::map<std::string, Open> watchers_and_queues() {
  return {
      {"other-proc-file", file("/proc/1/stat")},
      {"other-pidfd",
       [](const std::string&) -> Check {
         must(::syscall(SYS_pidfd_open, ::getppid(), 0), "pidfd_open");
         return {};
       }},
      {"namespace", file("/proc/self/ns/net")},
      {"alarm-timerfd", timer(CLOCK_BOOTTIME_ALARM)},
      {"watching-inotify",
       [](const std::string& dir) -> Check {
         must(::inotify_add_watch(must(::inotify_init1(0), "inotify"), dir.c_str(), IN_CREATE),
              "watch");
         return {};
       }},
      {"semaphore-eventfd",
       [](const std::string&) -> Check {
         must(::eventfd(3, EFD_SEMAPHORE), "eventfd");
         return {};
       }},
      {"fanotify",
       [](const std::string&) -> Check {
         must(::fanotify_init(FAN_CLASS_NOTIF, O_RDONLY), "fanotify_init");
         return {};
       }},
      {"io-uring",
       [](const std::string&) -> Check {
         io_uring_params params{};
         must(::syscall(SYS_io_uring_setup, 8, &params), "io_uring_setup");
         return {};
       }},
      {"aio",
       [](const std::string&) -> Check {
         aio_context_t context = 0;
         must(::syscall(SYS_io_setup, 8, &context), "io_setup");
         return {};
       }},
      {"userfaultfd",
       [](const std::string&) -> Check {
         must(::syscall(SYS_userfaultfd, O_CLOEXEC), "userfaultfd");
         return {};
       }},
  };
}

/// Memory and kernel objects that nobody else can read or make again.
std::map<std::string, Open> kernel_memory() {
  return {
      {"secret-memory",
       [](const std::string&) -> Check {
         const int fd = must(::syscall(447, 0), "memfd_secret");
         must(::ftruncate(fd, 4096), "ftruncate");
         must_map(::mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
         return {};
       }},
      {"huge-memfd",
       [](const std::string&) -> Check {
         must(::memfd_create("huge", MFD_HUGETLB), "memfd_create");
         return {};
       }},
      {"huge-pages", anonymous_memory(MAP_PRIVATE | MAP_HUGETLB)},
      {"perf",
       [](const std::string&) -> Check {
         perf_event_attr wanted{};
         wanted.type = PERF_TYPE_SOFTWARE;
         wanted.size = sizeof(wanted);
         wanted.config = PERF_COUNT_SW_CPU_CLOCK;
         must(::syscall(SYS_perf_event_open, &wanted, 0, -1, -1, 0), "perf_event_open");
         return {};
       }},
      {"bpf",
       [](const std::string&) -> Check {
         bpf_attr wanted{};
         wanted.map_type = BPF_MAP_TYPE_ARRAY;
         wanted.key_size = 4;
         wanted.value_size = 8;
         wanted.max_entries = 4;
         must(::syscall(SYS_bpf, BPF_MAP_CREATE, &wanted, sizeof(wanted)), "bpf");
         return {};
       }},
      {"message-queue",
       [](const std::string&) -> Check {
         const auto name = "/cardswap-" + std::to_string(::getpid());
         mq_attr wanted{};
         wanted.mq_maxmsg = 4;
         wanted.mq_msgsize = 64;
         must(::mq_open(name.c_str(), O_RDWR | O_CREAT, 0600, &wanted), "mq_open");
         ::mq_unlink(name.c_str());
         return {};
       }},
  };
}

/// Files whose names lead to another file or to none, and pipes that keep packets.
std::map<std::string, Open> files_and_pipes() {
  return {
      {"deleted-file",
       [](const std::string& dir) -> Check {
         const auto path = dir + "/gone";
         must(::open(path.c_str(), O_RDWR | O_CREAT, 0600), "open");
         ::unlink(path.c_str());
         return {};
       }},
      {"replaced-file",
       [](const std::string& dir) -> Check {
         const auto path = dir + "/data";
         must(::open(path.c_str(), O_RDWR | O_CREAT, 0600), "open");
         ::rename(path.c_str(), (dir + "/old").c_str());
         must(::rename((dir + "/old").c_str(), path.c_str()), "rename");
         ::unlink(path.c_str());
         must(::open(path.c_str(), O_RDWR | O_CREAT, 0600), "open");
         return {};
       }},
      {"unnamed-file",
       [](const std::string& dir) -> Check {
         must(::open(dir.c_str(), O_TMPFILE | O_RDWR, 0600), "open");
         return {};
       }},
      {"named-pipe",
       [](const std::string& dir) -> Check {
         const auto path = dir + "/fifo";
         must(::mkfifo(path.c_str(), 0600), "mkfifo");
         must(::open(path.c_str(), O_RDWR), "open");
         return {};
       }},
      {"packet-pipe",
       [](const std::string&) -> Check {
         std::array<int, 2> ends{};
         must(::pipe2(ends.data(), O_DIRECT), "pipe2");
         return {};
       }},
  };
}

/// Ties of the process to a terminal, a device, or processes outside of the job.
std::map<std::string, Open> outside_ties() {
  return {
      {"terminal",
       [](const std::string&) -> Check {
         int one = 0;
         int other = 0;
         must(::openpty(&one, &other, nullptr, nullptr, nullptr), "openpty");
         return {};
       }},
      {"system-v-memory",
       [](const std::string&) -> Check {
         const int id = must(::shmget(IPC_PRIVATE, 4096, 0600), "shmget");
         must_map(::shmat(id, nullptr, 0));
         ::shmctl(id, IPC_RMID, nullptr);
         return {};
       }},
      {"device", file("/dev/kmsg", O_RDONLY | O_NONBLOCK)},
      {"deleted-folder",
       [](const std::string& dir) -> Check {
         const auto path = dir + "/here";
         must(::mkdir(path.c_str(), 0700), "mkdir");
         must(::chdir(path.c_str()), "chdir");
         ::rmdir(path.c_str());
         return {};
       }},
      {"orphan",
       [](const std::string&) -> Check {
         const pid_t parent = must(::fork(), "fork");
         if (parent == 0) {
           ::setsid();
           if (::fork() != 0) ::_exit(0);
           while (true) ::pause();
         }
         ::waitpid(parent, nullptr, 0);
         return {};
       }},
      {"child-in-a-namespace", child([] { ::unshare(CLONE_NEWUTS); })},
  };
}

}  // namespace

std::map<std::string, Open> kinds_that_stay() {
  std::map<std::string, Open> all;
  for (auto&& some : {locks_and_sockets(), watchers_and_queues(), kernel_memory(),
                      files_and_pipes(), outside_ties()}) {
    all.insert(some.begin(), some.end());
  }
  return all;
}

}  // namespace cardswap::test
