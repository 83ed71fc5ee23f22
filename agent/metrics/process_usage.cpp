#include "agent/metrics/process_usage.h"

#include <sys/resource.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <optional>
#include <string>

#include "agent/base/boot.h"
#include "agent/process/process.h"
#include "migrator/base/error.h"

namespace cardswap {
namespace {

double seconds(const timeval& time) {
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
}

std::optional<std::uint64_t> own_start_time() {
  try {
    return start_time_of(::getpid());
  } catch (const Error&) {  // a figure less
    return std::nullopt;
  }
}

}  // namespace

ProcessUsage process_usage() {
  ProcessUsage usage;
  rusage used{};
  if (::getrusage(RUSAGE_SELF, &used) == 0) {
    usage.cpu_seconds = seconds(used.ru_utime) + seconds(used.ru_stime);
  }
  rlimit files{};
  if (::getrlimit(RLIMIT_NOFILE, &files) == 0) usage.max_fds = files.rlim_cur;
  std::ifstream memory("/proc/self/statm");
  std::uint64_t size = 0;
  std::uint64_t resident = 0;
  if (memory >> size >> resident) {
    const auto page = static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
    usage.virtual_bytes = size * page;
    usage.resident_bytes = resident * page;
  }
  std::error_code failed;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd", failed)) {
    (void)entry;
    ++usage.open_fds;
  }
  if (usage.open_fds > 0) --usage.open_fds;  // the folder's own
  if (const auto ticks = own_start_time()) {
    usage.start_time_seconds =
        static_cast<double>(booted_at_ms()) / 1e3 +
        static_cast<double>(*ticks) / static_cast<double>(::sysconf(_SC_CLK_TCK));
  }
  return usage;
}

}  // namespace cardswap
