#include "agent/process/process.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/base/task_group.h"
#include "agent/process/child.h"
#include "agent/process/process_tree.h"
#include "tests/support/temp_dir.h"

namespace cardswap::test {
namespace {

using namespace std::chrono_literals;

/// Lets this process open nothing, for as long as it exists.
class NoDescriptors {
 public:
  NoDescriptors() {
    EXPECT_EQ(::getrlimit(RLIMIT_NOFILE, &before_), 0);
    const rlimit none{0, before_.rlim_max};
    EXPECT_EQ(::setrlimit(RLIMIT_NOFILE, &none), 0);
  }
  ~NoDescriptors() { EXPECT_EQ(::setrlimit(RLIMIT_NOFILE, &before_), 0); }
  NoDescriptors(const NoDescriptors&) = delete;
  NoDescriptors& operator=(const NoDescriptors&) = delete;

 private:
  rlimit before_{};
};

ProcessId own() { return {::getpid(), start_time_of(::getpid()).value()}; }

/// A child that waits to be killed.
class Child {
 public:
  Child() {
    const pid_t pid = ::fork();
    while (pid == 0) ::pause();
    id_ = {pid, start_time_of(pid).value()};
  }
  ~Child() {
    ::kill(id_.pid, SIGKILL);
    (void)::waitpid(id_.pid, nullptr, 0);
  }
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  [[nodiscard]] const ProcessId& id() const { return id_; }

 private:
  ProcessId id_;
};

TEST(LookingAtAProcess, TellsWhoIsGoneFromWhoLives) {
  EXPECT_TRUE(is_alive(own()));
  EXPECT_TRUE(may_be_alive(own()));
  ProcessId child;
  {
    const Child lives;
    child = lives.id();
    EXPECT_TRUE(is_alive(child));
    EXPECT_TRUE(signal_process(child, 0));
    EXPECT_FALSE(is_alive({child.pid, child.start_time + 1})) << "an earlier one of that number";
  }
  EXPECT_FALSE(is_alive(child));
  EXPECT_FALSE(may_be_alive(child));
  EXPECT_FALSE(open_pidfd(child));
  EXPECT_FALSE(signal_process(child, 0));
  EXPECT_FALSE(is_alive({}));
  EXPECT_FALSE(open_pidfd({}));
}

TEST(LookingAtAProcess, ThatCannotBeLookedAtIsNotTheSameAsThatItHasEnded) {
  const auto self = own();
  const NoDescriptors none;
  EXPECT_THROW((void)is_alive(self), Error);
  EXPECT_THROW((void)open_pidfd(self), Error);
  EXPECT_THROW((void)tree_of(self), Error);
  EXPECT_TRUE(may_be_alive(self));
  EXPECT_FALSE(signal_process(self, 0));
  EXPECT_FALSE(signal_group(self, 0));
  EXPECT_TRUE(is_traced(self));
}

asio::awaitable<void> wait_for(ProcessId process, bool& ended) {
  co_await wait_for_exit(process);
  ended = true;
}

TEST(WaitingForAnEnd, GoesOnWhereNobodyCanLookForAWhile) {
  asio::io_context context;
  const asio::posix::stream_descriptor has_a_reactor(context);
  TaskGroup tasks(context);
  bool ended = false;
  {
    const Child child;
    {
      const NoDescriptors none;
      tasks.spawn("wait", wait_for(child.id(), ended));
      context.poll();
    }
    EXPECT_FALSE(ended);
    context.run_for(300ms);  // it has looked again by then
    EXPECT_FALSE(ended);
  }
  context.restart();
  context.run();
  EXPECT_TRUE(ended);
}

asio::awaitable<void> start(std::string program, std::string log, std::string& error) {
  ProcessSpec spec;
  spec.argv = {std::move(program)};
  spec.log = std::move(log);
  try {
    (void)co_await wait_and_reap(co_await start_child(spec));
  } catch (const Error& failed) {
    error = failed.failure();
  }
}

TEST(StartingAChild, LeavesNoneBehindWhereItsProgramCannotBeStarted) {
  const TempDir dir;
  asio::io_context context;
  TaskGroup tasks(context);
  std::string error;
  tasks.spawn("start", start("/", dir.path() / "log", error));
  context.run();
  EXPECT_EQ(error, "start /: Permission denied");
  EXPECT_EQ(::waitpid(-1, nullptr, WNOHANG), -1) << "a child is left";
}

}  // namespace
}  // namespace cardswap::test
