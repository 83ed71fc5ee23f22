#include "agent/process/child.h"

#include <signal.h>
#include <sys/wait.h>

#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <chrono>
#include <cstring>

#include "agent/process/pipe_text.h"

namespace cardswap {

namespace asio = boost::asio;

namespace {

constexpr int kLookTries = 500;
constexpr std::chrono::milliseconds kLookAgain{2};

}  // namespace

asio::awaitable<ProcessId> start_child(ProcessSpec spec) {
  auto starting = begin_process(spec);
  int failed = 0;
  std::optional<std::string> said;
  try {
    said = co_await text_through(std::move(starting.report), sizeof(failed), kExecMax);
  } catch (...) {
    (void)::kill(starting.pid, SIGKILL);
    throw;
  }
  if (!said) co_return conclude(starting, std::nullopt);
  if (said->size() == sizeof(failed)) std::memcpy(&failed, said->data(), sizeof(failed));
  co_return conclude(starting, failed);
}

asio::awaitable<int> run_to_exit(ProcessSpec spec) {
  co_return co_await wait_and_reap(co_await start_child(std::move(spec)));
}

asio::awaitable<void> wait_for_exit(ProcessId process) {
  auto pidfd = open_pidfd(process);
  if (!pidfd) co_return;
  asio::posix::stream_descriptor descriptor(co_await asio::this_coro::executor, pidfd.release());
  co_await descriptor.async_wait(asio::posix::stream_descriptor::wait_read, asio::use_awaitable);
  // Some kernels tell of an end a moment before its status can be taken.
  asio::steady_timer timer(co_await asio::this_coro::executor);
  for (int tries = 0; is_alive(process) && tries < kLookTries; ++tries) {
    timer.expires_after(kLookAgain);
    co_await timer.async_wait(asio::use_awaitable);
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
