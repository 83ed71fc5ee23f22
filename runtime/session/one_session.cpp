#include "runtime/session/one_session.h"

#include <fmt/format.h>

#include "migrator/base/error.h"

namespace cardswap {
namespace {

/// For a process that ends with _exit(), which flushes no buffer.
void write_to_stderr(const std::string& line) {
  [[maybe_unused]] const auto written = ::write(STDERR_FILENO, line.data(), line.size());
}

}  // namespace

void end_moved_process() {
  write_to_stderr(
      fmt::format("cardswap: process {} lost its job, which moved to another device, and did not "
                  "leave its training loop when it was told so; it ends here\n",
                  ::getpid()));
  ::_exit(kNotTheJob);
}

void end_forked_process(pid_t trainer, const std::string& job) {
  write_to_stderr(fmt::format(
      "cardswap: process {} was forked from process {}, which trains job {}: a fork is not the "
      "job and may not step; it ends here\n",
      ::getpid(), trainer, job));
  ::_exit(kNotTheJob);
}

OneSession::OneSession() {
  auto holder = holder_.load();
  if (holder == ::getpid() || !holder_.compare_exchange_strong(holder, ::getpid())) {
    throw Error(Code::conflict, "this process has a Cardswap session already",
                "open one session and pass it to whoever needs it; it ends with its owner");
  }
}

}  // namespace cardswap
