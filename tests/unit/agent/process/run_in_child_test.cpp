#include "agent/process/run_in_child.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "agent/base/task_group.h"
#include "migrator/base/error.h"

namespace cardswap::test {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;
using Clock = std::chrono::steady_clock;

std::string never() {
  while (true) ::pause();
}
asio::awaitable<void> wait_for_ever() { (void)co_await run_in_child(never, 1h); }

class RunInChild : public ::testing::Test {
 protected:
  void TearDown() override { EXPECT_EQ(::waitpid(-1, nullptr, WNOHANG), -1) << "a child is left"; }

  std::string ask(std::function<std::string()> look, std::chrono::milliseconds limit = 20s) {
    std::string answer;
    std::exception_ptr thrown;
    asio::co_spawn(context, run_in_child(std::move(look), limit),
                   [&](std::exception_ptr error, std::string text) {
                     thrown = std::move(error);
                     answer = std::move(text);
                   });
    context.restart();
    context.run();
    if (thrown) std::rethrow_exception(thrown);
    return answer;
  }
  Error error_of_asking(std::function<std::string()> look, std::chrono::milliseconds limit = 20s) {
    try {
      ADD_FAILURE() << ask(std::move(look), limit);
    } catch (const Error& error) {
      return error;
    }
    return {Code::internal, "no error"};
  }

  asio::io_context context;
};

TEST_F(RunInChild, TellsWhatWasSeenHoweverLongItIs) {
  EXPECT_EQ(ask([] { return std::string(); }), "");
  EXPECT_EQ(ask([] { return std::string(3 << 20, 'x') + '\0' + "end"; }).size(), (3U << 20) + 4);
}

TEST_F(RunInChild, ChangesNothingHere) {
  int here = 1;
  EXPECT_EQ(ask([&] {
              here = 2;
              return std::string(::chdir("/") == 0 ? "gone" : "here");
            }),
            "gone");
  EXPECT_EQ(here, 1);
  EXPECT_NE(std::filesystem::current_path(), "/");
}

TEST_F(RunInChild, HasNothingOpenOfWhoAsks) {
  std::ifstream file("/proc/self/exe");
  const auto pipe_in_use = ::dup(STDIN_FILENO);
  const auto open = ask([] {
    std::string seen;
    for (int fd = STDERR_FILENO + 1; fd < 1024; ++fd) {
      if (::fcntl(fd, F_GETFD) >= 0) seen += 'x';
    }
    return seen;
  });
  ::close(pipe_in_use);
  EXPECT_EQ(open, "x") << "the pipe to who asks, and nothing else";
}

TEST_F(RunInChild, PassesAnErrorOn) {
  const auto error = error_of_asking(
      []() -> std::string { throw Error(Code::refused, "go to /x: no such folder", "make it"); });
  EXPECT_EQ(error.code(), Code::refused);
  EXPECT_EQ(error.failure(), "go to /x: no such folder");
  EXPECT_EQ(error.hint(), "make it");
}

TEST_F(RunInChild, PassesTextsOfSeveralLinesOn) {
  const auto error = error_of_asking([]() -> std::string {
    throw Error(Code::refused, "read /x:\nline 2 is wrong", "mend\nline 2");
  });
  EXPECT_EQ(error.failure(), "read /x: line 2 is wrong");
  EXPECT_EQ(error.hint(), "mend line 2");
}

TEST_F(RunInChild, SaysThatAChildEndedWithoutAnAnswer) {
  const auto error = error_of_asking([]() -> std::string {
    ::raise(SIGKILL);
    return "never";
  });
  EXPECT_EQ(error.code(), Code::internal);
  EXPECT_THAT(error.failure(), HasSubstr("without an answer"));
}

TEST_F(RunInChild, GivesUpWhatWaitsAndServesOthersMeanwhile) {
  int turns = 0;
  asio::steady_timer turn(context, 1ms);
  turn.async_wait([&](const boost::system::error_code&) { ++turns; });
  const auto begun = Clock::now();
  const auto error = error_of_asking(never, 50ms);
  EXPECT_EQ(error.code(), Code::timed_out);
  EXPECT_EQ(turns, 1);
  EXPECT_LT(Clock::now() - begun, 10s);
}

TEST_F(RunInChild, EndsWithWhoAsks) {
  TaskGroup tasks(context);
  tasks.spawn("ask", wait_for_ever());
  context.run_for(20ms);
  tasks.stop();
  context.restart();
  context.run();
  EXPECT_TRUE(tasks.empty());
  int status = 0;
  while (::waitpid(-1, &status, 0) > 0) {
    EXPECT_TRUE(WIFSIGNALED(status)) << "it was ended, and its end is for whoever waits";
  }
}

}  // namespace
}  // namespace cardswap::test
