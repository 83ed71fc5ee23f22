#include "agent/process/supervised_process.h"

#include <unistd.h>

#include <chrono>
#include <exception>
#include <sstream>
#include <string>

#include "agent/process/child.h"
#include "agent/process/memory_file.h"
#include "agent/process/pipe.h"
#include "agent/process/pipe_text.h"
#include "agent/process/program_beside.h"
#include "agent/process/supervisor_order.h"
#include "migrator/base/error.h"

namespace cardswap {

namespace asio = boost::asio;

namespace {

constexpr std::size_t kReportBytesMax = 8192;
// The parent gives its program up before that, and says why.
constexpr std::chrono::seconds kStartMax{8};

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
    throw Error(
        Code::refused, "the parent of the job's program ended without a report",
        "cardswap-init must be beside cardswapd and run on this host; the job's log may say more");
  }
  throw Error(code_from_string(code).value_or(Code::refused), failure, hint);
}

}  // namespace

void SupervisedProcess::let_live() {
  const char word = 'g';
  if (lifeline) (void)!::write(lifeline.get(), &word, 1);
  lifeline.reset();
}

asio::awaitable<SupervisedProcess> start_supervised(ProcessSpec program,
                                                    std::filesystem::path status) {
  auto report = make_pipe();
  auto lifeline = make_pipe();
  const auto order = memory_file("cardswap-order", encode({program, status}));
  ProcessSpec spec;
  spec.argv = {program_beside("cardswap-init").string(), "supervise"};
  spec.cwd = std::string("/");  // GCC 12 warns of the assignment of a literal here
  spec.log = program.log;
  spec.reads_log = program.user;
  spec.inherit = {report.write.get(), order.get(), lifeline.read.get()};
  SupervisedProcess supervised;
  supervised.parent = co_await start_child(spec);
  report.write.reset();
  lifeline.read.reset();
  supervised.lifeline = std::move(lifeline.write);
  std::exception_ptr why;
  try {
    const auto said = co_await text_through(std::move(report.read), kReportBytesMax, kStartMax);
    if (!said) throw not_in_time(program.argv.at(0), static_cast<int>(kStartMax.count()));
    supervised.program = program_in(*said);
    co_return supervised;
  } catch (...) {
    supervised.lifeline.reset();  // whatever it started ends with it
    kill_start(supervised.parent.pid);
    why = std::current_exception();
  }
  co_await reap_killed(supervised.parent.pid);
  std::rethrow_exception(why);
}

}  // namespace cardswap
