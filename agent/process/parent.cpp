#include "agent/process/parent.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <sstream>
#include <string>

#include "agent/process/pipe.h"
#include "agent/process/program_beside.h"
#include "migrator/core/error.h"

namespace cardswap {
namespace {

constexpr std::size_t kReportBytesMax = 8192;
// A program on a disk that has to wake up first is slow to start; a parent that hangs is none.
constexpr int kStartMaxMs = 30'000;
constexpr int kEndTries = 100;
constexpr int kEndTickMs = 10;

/// The environment and the arguments are nobody else's to read: not in a command line, not on disk.
Descriptor file_of(std::span<const std::byte> bytes) {
  Descriptor file(::memfd_create("cardswap-order", MFD_CLOEXEC));
  if (!file) throw Error(Code::io, fmt::format("make a file: {}", std::strerror(errno)));
  while (!bytes.empty()) {
    const auto put = ::write(file.get(), bytes.data(), bytes.size());
    if (put <= 0) throw Error(Code::io, fmt::format("write an order: {}", std::strerror(errno)));
    bytes = bytes.subspan(static_cast<std::size_t>(put));
  }
  ::lseek(file.get(), 0, SEEK_SET);
  return file;
}

/// Everything up to the end of the pipe, which the parent closes once the program runs.
std::string said_through(int pipe) {
  std::string text;
  std::array<char, 1024> piece{};
  while (text.size() < kReportBytesMax) {
    pollfd wait{pipe, POLLIN, 0};
    if (::poll(&wait, 1, kStartMaxMs) <= 0) break;
    const auto got = ::read(pipe, piece.data(), piece.size());
    if (got <= 0) break;
    text.append(piece.data(), static_cast<std::size_t>(got));
  }
  return text;
}

/// It ends by itself, unless it hangs. A child that nobody has waited for keeps its number.
void end_child(pid_t pid) {
  for (int tries = 0; tries < kEndTries; ++tries) {
    if (::waitpid(pid, nullptr, WNOHANG) == pid) return;
    ::poll(nullptr, 0, kEndTickMs);
  }
  ::kill(pid, SIGKILL);
  (void)::waitpid(pid, nullptr, 0);
}

/// "ok PID START_TIME", or "failed CODE", then the failure and the hint, a line each.
ProcessId program_in(const std::string& report) {
  std::istringstream lines(report);
  std::string word, code;
  lines >> word;
  if (ProcessId program; word == "ok" && lines >> program.pid >> program.start_time) return program;
  std::string failure, hint;
  lines >> code;
  std::getline(lines, failure);  // the rest of that line
  std::getline(lines, failure);
  std::getline(lines, hint);
  if (word != "failed" || failure.empty()) {
    throw Error(Code::refused, "the parent of the job's program ended without a report",
                "cardswap-init must be beside cardswapd and run on this host");
  }
  throw Error(code_from_string(code).value_or(Code::refused), failure, hint);
}

}  // namespace

void Kept::let_live() {
  const char word = 'g';
  if (leash) (void)!::write(leash.get(), &word, 1);
  leash.reset();
}

Kept start_kept(const ProcessSpec& program, const std::filesystem::path& status) {
  auto report = make_pipe();
  auto leash = make_pipe();
  const auto order = file_of(encode({program, status}));
  ProcessSpec spec;
  spec.argv = {program_beside("cardswap-init").string(), "keep"};
  spec.cwd = std::string("/");  // GCC 12 warns of the assignment of a literal here
  spec.log = program.log;
  spec.reads_log = program.user;
  spec.inherit = {report.write.get(), order.get(), leash.read.get()};
  Kept kept;
  kept.parent = start_process(spec);
  report.write.reset();
  leash.read.reset();
  kept.leash = std::move(leash.write);
  try {
    kept.program = program_in(said_through(report.read.get()));
  } catch (...) {
    kept.leash.reset();  // whatever it started ends with it
    end_child(kept.parent.pid);
    throw;
  }
  return kept;
}

}  // namespace cardswap
