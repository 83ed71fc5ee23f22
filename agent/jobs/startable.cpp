#include "agent/jobs/startable.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "agent/process/pipe.h"

namespace cardswap {
namespace {

constexpr int kLookMaxMs = 1'000;

enum Step { kUser = 1, kFolder, kProgram };

/// What failed first, and its errno. Between fork and exit: only calls that are allowed there.
[[noreturn]] void try_as(const ProcessSpec& spec, const char* program, const char* cwd,
                         int report) {
  std::array<int, 2> failed{};
  struct stat about {};
  if (spec.user && !become_user(*spec.user)) {
    failed = {kUser, errno};
  } else if (cwd[0] != 0 && ::chdir(cwd) != 0) {
    failed = {kFolder, errno};
  } else if (::faccessat(AT_FDCWD, program, X_OK, AT_EACCESS) != 0 ||
             ::stat(program, &about) != 0) {
    failed = {kProgram, errno};
  } else if (!S_ISREG(about.st_mode)) {
    failed = {kProgram, EACCES};
  }
  [[maybe_unused]] const auto written = ::write(report, failed.data(), sizeof(failed));
  ::_exit(0);
}

}  // namespace

std::optional<Error> why_not_startable(const ProcessSpec& spec) {
  std::string program;
  try {
    program = find_program(spec);
  } catch (const Error& error) {
    return error;
  }
  auto report = make_pipe();
  const pid_t pid = ::fork();
  if (pid == 0) try_as(spec, program.c_str(), spec.cwd.c_str(), report.write.get());
  if (pid < 0) throw Error(Code::io, fmt::format("fork: {}", std::strerror(errno)));
  report.write.reset();
  std::array<int, 2> failed{kUser, EAGAIN};
  pollfd said{report.read.get(), POLLIN, 0};
  const bool in_time = ::poll(&said, 1, kLookMaxMs) != 0;
  const auto got = in_time ? ::read(report.read.get(), failed.data(), sizeof(failed)) : 0;
  if (!in_time) ::kill(pid, SIGKILL);
  ::waitpid(pid, nullptr, in_time ? 0 : WNOHANG);
  if (!in_time) return not_in_time(program, kLookMaxMs / 1000);
  if (got == sizeof(failed) && failed[0] == 0) return std::nullopt;
  const auto as = spec.user ? " as " + spec.user->name : std::string();
  const auto* why = std::strerror(failed[1]);
  switch (failed[0]) {
    case kFolder:
      return Error(Code::refused, fmt::format("go to {}{}: {}", spec.cwd, as, why),
                   "make that folder on this host, or give the job another --cwd");
    case kProgram:
      return Error(Code::refused, fmt::format("start {}{}: {}", program, as, why),
                   "install the program at that path on this host, with the right to execute it");
    default: return Error(Code::refused, fmt::format("start {}{}: {}", program, as, why));
  }
}

}  // namespace cardswap
