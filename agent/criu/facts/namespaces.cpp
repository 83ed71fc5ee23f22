#include "agent/criu/facts/namespaces.h"

#include <fmt/format.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <fstream>

#include "agent/process/process_tree.h"
#include "migrator/base/descriptor.h"
#include "migrator/base/error.h"

namespace cardswap::criu {
namespace {

// CRIU's own helpers are started first and would take low numbers.
constexpr int kRoomAtTheEnd = 4096;

Error failed(const char* doing) {
  return {Code::io, fmt::format("{}: {}", doing, std::strerror(errno)),
          "moving a process needs root with CAP_SYS_ADMIN"};
}

}  // namespace

void enter_namespaces_of(pid_t pid) {
  const Descriptor process(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
  if (!process) throw Error(Code::source_lost, fmt::format("process {} is gone", pid));
  constexpr int kAll =
      CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWCGROUP;
  if (::setns(process.get(), kAll) != 0) throw failed("enter the job's namespaces");
}

pid_t innermost_pid(pid_t pid) {
  const auto inner = innermost_pid_of(pid);
  if (inner == 0) throw Error(Code::source_lost, fmt::format("process {} is gone", pid));
  return inner;
}

void leave_for_new_namespaces() {
  if (::unshare(CLONE_NEWNS | CLONE_NEWPID) != 0) throw failed("make namespaces");
  if (::mount("", "/", nullptr, MS_SLAVE | MS_REC, nullptr) != 0)
    throw failed("mount --make-rslave");
}

void become_first_process() {
  if (::mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, nullptr) != 0) {
    throw failed("mount /proc");
  }
  int most = 0;
  std::ifstream("/proc/sys/kernel/pid_max") >> most;
  if (most > 4 * kRoomAtTheEnd) {
    std::ofstream("/proc/sys/kernel/ns_last_pid") << most - kRoomAtTheEnd;
  }
}

}  // namespace cardswap::criu
