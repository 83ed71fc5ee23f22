// A child reads /proc/PID/environ of one process after the other and says so through a pipe, record
// by record: which one it begins with, and what it found. Where no record comes in time the child
// is killed, which ends such a wait, and another one goes on behind that process.

#include "agent/process/environment_scan.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <optional>
#include <span>
#include <string_view>

#include "agent/process/pipe.h"
#include "migrator/base/os_error.h"

namespace cardswap {
namespace {

using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;

constexpr std::size_t kEnvironMax = 6U << 20;  // what execve() takes; a process may say it has more
constexpr int kReaderEndTries = 20;
constexpr int kReaderEndTickMs = 5;

/// As it goes through the pipe, in one piece.
struct Record {
  std::size_t place = 0;  // in the list
  bool found = false;     // or begun
  std::array<char, 64> value{};
};

/// Finds "NAME=value" among texts that end with NUL, in pieces of any size. No allocation.
class Finder {
 public:
  explicit Finder(std::string_view name) : name_(name) {}

  /// True when the value is whole.
  bool take(char c, std::array<char, 64>& value) {
    if (c == '\0') {
      const bool whole = !is_other_ && at_ == name_.size() + 1;
      if (whole) return true;
      at_ = length_ = 0;
      is_other_ = false;
    } else if (is_other_) {
      return false;
    } else if (at_ <= name_.size()) {
      is_other_ = c != (at_ < name_.size() ? name_[at_] : '=');
      ++at_;
    } else if (length_ + 1 < value.size()) {
      value[length_++] = c;  // NOLINT(cppcoreguidelines-pro-bounds-constant-array-index)
    }
    return false;
  }

 private:
  std::string_view name_;
  std::size_t at_ = 0;  // matched so far, the '=' too
  std::size_t length_ = 0;
  bool is_other_ = false;
};

/// Between fork and exit: only calls that are allowed there.
void look(const char* path, std::string_view name, Record& record) {
  const int file = ::open(path, O_RDONLY | O_CLOEXEC);
  if (file < 0) return;
  Finder finder(name);
  std::array<char, 4096> piece;  // NOLINT(cppcoreguidelines-pro-type-member-init)
  std::size_t read = 0;
  while (!record.found && read < kEnvironMax) {
    const auto got = ::read(file, piece.data(), piece.size());
    if (got <= 0) break;
    read += static_cast<std::size_t>(got);
    for (const char c : std::span(piece).first(static_cast<std::size_t>(got))) {
      if (finder.take(c, record.value)) {
        record.found = true;
        break;
      }
    }
  }
  ::close(file);
}

[[noreturn]] void look_at_all(std::span<const std::string> paths, std::size_t first,
                              std::string_view name, int report) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  sigset_t all;
  sigfillset(&all);
  ::sigprocmask(SIG_SETMASK, &all, nullptr);
  (void)keep_only(report);
  for (auto place = first; place < paths.size(); ++place) {
    Record record;
    record.place = place;
    if (::write(report, &record, sizeof(record)) != sizeof(record)) break;
    look(paths[place].c_str(), name, record);
    if (record.found && ::write(report, &record, sizeof(record)) != sizeof(record)) break;
  }
  ::_exit(0);
}

void end(pid_t child) {
  ::kill(child, SIGKILL);
  for (int tries = 0; tries < kReaderEndTries; ++tries) {
    if (::waitpid(child, nullptr, WNOHANG) != 0) return;
    ::poll(nullptr, 0, kReaderEndTickMs);
  }
}

/// The next record; nothing at the end of the pipe, or when none came until `deadline`: `late`
/// then.
std::optional<Record> next_record(int pipe, Clock::time_point deadline, bool& late) {
  pollfd said{pipe, POLLIN, 0};
  int ready = -1;
  do {
    const auto left = std::chrono::duration_cast<milliseconds>(deadline - Clock::now());
    ready = ::poll(&said, 1, static_cast<int>(std::max<milliseconds::rep>(left.count(), 0)));
  } while (ready < 0 && errno == EINTR);
  late = ready == 0;
  Record record;
  if (ready <= 0 || ::read(pipe, &record, sizeof(record)) != sizeof(record)) return std::nullopt;
  return record;
}

}  // namespace

EnvironmentScan scan_environments(const std::vector<pid_t>& pids, const std::string& name,
                                  EnvironmentScanLimits limits) {
  EnvironmentScan seen;
  std::vector<std::string> paths;
  for (const auto pid : pids) paths.push_back(fmt::format("/proc/{}/environ", pid));
  const auto until = Clock::now() + limits.all;
  std::size_t next = 0;
  while (next < pids.size() && Clock::now() < until) {
    auto pipe = make_pipe();
    const pid_t child = ::fork();
    if (child == 0) look_at_all(paths, next, name, pipe.write.get());
    if (child < 0) throw os_error("fork");
    pipe.write.reset();
    const auto first = next;
    bool late = false;
    const auto patience = [&] { return std::min(Clock::now() + limits.each, until); };
    while (const auto record = next_record(pipe.read.get(), patience(), late)) {
      next = record->place + 1;
      if (record->found) seen.values[pids[record->place]] = record->value.data();
    }
    end(child);
    if (!late) return seen;
    if (next > first) seen.unread.push_back(pids[next - 1]);
  }
  seen.unread.insert(seen.unread.end(), pids.begin() + static_cast<std::ptrdiff_t>(next),
                     pids.end());
  return seen;
}

}  // namespace cardswap
