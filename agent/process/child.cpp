#include "agent/process/child.h"

#include <signal.h>
#include <sys/wait.h>

#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <chrono>
#include <cstring>
#include <exception>
#include <optional>

#include "agent/base/task_group.h"
#include "agent/process/pipe_text.h"
#include "agent/process/process_tree.h"

namespace cardswap {

namespace {

constexpr int kLookTries = 500;
constexpr std::chrono::milliseconds kLookAgain{2};
constexpr std::chrono::milliseconds kOpenAgain{200};
constexpr int kCollectTries = 50;
constexpr std::chrono::milliseconds kCollectEvery{10};

/// Nothing where nobody can look now, which is told.
std::optional<Descriptor> try_open_pidfd(const ProcessId& process) {
  try {
    return open_pidfd(process);
  } catch (const Error& error) {
    spdlog::warn("{}; it is tried again", error.what());
    return std::nullopt;
  }
}

}  // namespace

asio::awaitable<ProcessId> start_child(ProcessSpec spec) {
  auto starting = begin_process(spec);
  std::exception_ptr why;
  try {
    int failed = 0;
    const auto said = co_await text_through(std::move(starting.report), sizeof(failed), kExecMax);
    if (!said) co_return conclude(starting, std::nullopt);
    if (said->size() == sizeof(failed)) std::memcpy(&failed, said->data(), sizeof(failed));
    co_return conclude(starting, failed);
  } catch (...) {
    kill_start(starting.pid);
    why = std::current_exception();
  }
  co_await reap_killed(starting.pid);
  std::rethrow_exception(why);
}

void kill_start(pid_t child) {
  for (const auto started : children_of(child)) ::kill(started, SIGKILL);
  ::kill(child, SIGKILL);
}

asio::awaitable<void> reap_killed(pid_t child) {
  for (int tries = 0; ::waitpid(child, nullptr, WNOHANG) == 0 && tries < kCollectTries; ++tries) {
    co_await pause_for(kCollectEvery);
  }
}

asio::awaitable<int> run_to_exit(ProcessSpec spec) {
  co_return co_await wait_and_reap(co_await start_child(std::move(spec)));
}

asio::awaitable<void> wait_for_exit(ProcessId process) {
  const auto executor = co_await asio::this_coro::executor;
  std::optional<Descriptor> pidfd;
  while (!(pidfd = try_open_pidfd(process))) co_await pause_for(kOpenAgain);
  if (!*pidfd) co_return;
  asio::posix::stream_descriptor descriptor(executor, pidfd->release());
  co_await descriptor.async_wait(asio::posix::stream_descriptor::wait_read, asio::use_awaitable);
  // Some kernels tell of an end a moment before its status can be taken.
  for (int tries = 0; may_be_alive(process) && tries < kLookTries; ++tries) {
    co_await pause_for(kLookAgain);
  }
}

asio::awaitable<int> wait_and_reap(ProcessId process) {
  co_await wait_for_exit(process);
  int status = 0;
  if (process.pid > 0) (void)::waitpid(process.pid, &status, WNOHANG);
  co_return status;
}

asio::awaitable<void> reap(ProcessId process) { (void)co_await wait_and_reap(process); }

}  // namespace cardswap
