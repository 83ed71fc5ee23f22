#include "agent/process/command.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>

namespace cardswap::test {
namespace {

using namespace std::chrono_literals;

asio::awaitable<void> run(asio::io_context& context, std::vector<std::string> argv,
                          CommandResult& result) {
  result = co_await run_command(context, std::move(argv), 60s);
}

TEST(Commands, TellWhatTheyPrintAndHowTheyEnd) {
  asio::io_context context;
  TaskGroup tasks(context);
  CommandResult result;
  tasks.spawn("run", run(context, {"/bin/sh", "-c", "echo said; exit 3"}, result));
  context.run();
  EXPECT_EQ(result.output, "said\n");
  EXPECT_EQ(result.exit_code, 3);
  EXPECT_FALSE(result.timed_out);
}

/// How many descriptors this process may have, for as long as that exists: `more` than now.
class FewDescriptors {
 public:
  explicit FewDescriptors(std::size_t more) {
    std::array<Descriptor, 8> next;
    int last = 0;
    for (std::size_t i = 0; i < more; ++i) {
      next.at(i) = Descriptor(::open("/dev/null", O_RDONLY | O_CLOEXEC));
      last = std::max(last, next.at(i).get());
    }
    EXPECT_EQ(::getrlimit(RLIMIT_NOFILE, &before_), 0);
    const rlimit few{static_cast<rlim_t>(last) + 1, before_.rlim_max};
    EXPECT_EQ(::setrlimit(RLIMIT_NOFILE, &few), 0);
  }
  ~FewDescriptors() { EXPECT_EQ(::setrlimit(RLIMIT_NOFILE, &before_), 0); }
  FewDescriptors(const FewDescriptors&) = delete;
  FewDescriptors& operator=(const FewDescriptors&) = delete;

 private:
  rlimit before_{};
};

TEST(Commands, AreNotStartedWhereNobodyCouldWaitForThem) {
  asio::io_context context;
  const asio::posix::stream_descriptor has_a_reactor(context);
  std::string told;
  {
    const FewDescriptors for_its_pipes(4);
    try {
      const Command command(context, {"/bin/sh", "-c", "exec sleep 1000"});
    } catch (const Error& error) {
      told = error.failure();
    }
  }
  EXPECT_EQ(told, "watch /bin/sh: Too many open files");
  while (::waitpid(-1, nullptr, 0) > 0) {
  }
  EXPECT_EQ(errno, ECHILD) << "it was killed";
}

}  // namespace
}  // namespace cardswap::test
