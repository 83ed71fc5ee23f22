// A stand-in for one right that containers often lack: without CAP_SYS_RESOURCE root may not ask
// for the limits of another user's process. It answers CRIU from /proc/PID/limits, which says the
// same. It is preloaded; the kernel is asked first.

#include <dlfcn.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdarg>
#include <fstream>
#include <sstream>
#include <string>

namespace {

// In the order of RLIMIT_*, of x86-64 and aarch64.
constexpr std::array<const char*, RLIM_NLIMITS> kNames{
    "Max cpu time",       "Max file size",     "Max data size",         "Max stack size",
    "Max core file size", "Max resident set",  "Max processes",         "Max open files",
    "Max locked memory",  "Max address space", "Max file locks",        "Max pending signals",
    "Max msgqueue size",  "Max nice priority", "Max realtime priority", "Max realtime timeout"};

rlim_t limit_from(const std::string& word) {
  return word == "unlimited" ? RLIM_INFINITY : std::stoull(word);
}

bool read_limit(pid_t pid, int resource, struct rlimit* into) {
  const std::string name = kNames.at(static_cast<std::size_t>(resource));
  std::ifstream file("/proc/" + std::to_string(pid) + "/limits");
  for (std::string line; std::getline(file, line);) {
    if (line.rfind(name + " ", 0) != 0) continue;
    std::istringstream words(line.substr(name.size()));
    std::string soft;
    std::string hard;
    if (!(words >> soft >> hard)) return false;
    *into = {limit_from(soft), limit_from(hard)};
    return true;
  }
  return false;
}

using Syscall = long (*)(long number, ...);
Syscall kernel() {
  static const auto next = reinterpret_cast<Syscall>(::dlsym(RTLD_NEXT, "syscall"));
  return next;
}

int limit(pid_t pid, int resource, const struct rlimit* fresh, struct rlimit* old) {
  const auto result = kernel()(SYS_prlimit64, pid, resource, fresh, old);
  if (result == 0 || errno != EPERM || fresh != nullptr || old == nullptr) {
    return static_cast<int>(result);
  }
  if (read_limit(pid, resource, old)) return 0;
  errno = EPERM;
  return -1;
}

}  // namespace

extern "C" {
int prlimit(pid_t pid, enum __rlimit_resource resource, const struct rlimit* fresh,
            struct rlimit* old) noexcept {
  return limit(pid, static_cast<int>(resource), fresh, old);
}
int prlimit64(pid_t pid, enum __rlimit_resource resource, const struct rlimit64* fresh,
              struct rlimit64* old) noexcept {
  return limit(pid, static_cast<int>(resource), reinterpret_cast<const struct rlimit*>(fresh),
               reinterpret_cast<struct rlimit*>(old));
}
// By which CRIU asks.
long syscall(long number, ...) noexcept {
  std::va_list rest;
  va_start(rest, number);
  std::array<long, 6> given{};
  for (auto& each : given) each = va_arg(rest, long);
  va_end(rest);
  if (number == SYS_prlimit64) {
    return limit(static_cast<pid_t>(given[0]), static_cast<int>(given[1]),
                 reinterpret_cast<const struct rlimit*>(given[2]),
                 reinterpret_cast<struct rlimit*>(given[3]));
  }
  return kernel()(number, given[0], given[1], given[2], given[3], given[4], given[5]);
}
}
