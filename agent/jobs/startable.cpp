#include "agent/jobs/startable.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <functional>
#include <utility>

#include "agent/jobs/job_program.h"
#include "agent/process/run_in_child.h"

namespace cardswap {
namespace {

// Together with the start that follows, this fits into the other agent's time limit.
constexpr std::chrono::seconds kProgramLookMax{2};

/// Runs in a child process: it becomes the user for good.
void try_to_start(const ProcessSpec& spec) {
  const auto program = find_program(spec);
  const auto as = spec.user ? " as " + spec.user->name : std::string();
  const auto refuse = [&](const std::string& doing, int why, const std::string& hint = {}) {
    throw Error(Code::refused, fmt::format("{}{}: {}", doing, as, std::strerror(why)), hint);
  };
  if (spec.user) become_in_child(*spec.user);
  if (!spec.cwd.empty() && ::chdir(spec.cwd.c_str()) != 0) {
    refuse("go to " + spec.cwd, errno,
           "make that folder on this host, or give the job another --cwd");
  }
  constexpr auto kHint =
      "install the program at that path on this host, with the right to execute it";
  struct stat about {};
  if (::faccessat(AT_FDCWD, program.c_str(), X_OK, AT_EACCESS) != 0 ||
      ::stat(program.c_str(), &about) != 0) {
    refuse("start " + program, errno, kHint);
  }
  if (!S_ISREG(about.st_mode)) refuse("start " + program, EACCES, kHint);
}

}  // namespace

boost::asio::awaitable<std::optional<Error>> why_not_startable(ProcessSpec spec) {
  const std::function<std::string()> look = [&spec] {
    try_to_start(spec);
    return std::string();
  };
  try {
    (void)co_await run_in_child(look, kProgramLookMax);
  } catch (const Error& error) {
    if (error.code() == Code::io || error.code() == Code::internal) throw;
    if (error.code() != Code::timed_out) co_return error;
    co_return not_in_time(spec.argv.at(0), static_cast<int>(kProgramLookMax.count()));
  }
  co_return std::nullopt;
}

boost::asio::awaitable<std::optional<Error>> why_not_startable(JobSpec spec, const Config& config) {
  try {
    auto program = program_of(spec, config);
    co_return co_await why_not_startable(std::move(program));
  } catch (const Error& error) {
    co_return error;
  }
}

}  // namespace cardswap
