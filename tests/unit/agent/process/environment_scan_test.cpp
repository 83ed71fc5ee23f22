#include "agent/process/environment_scan.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <stdexcept>

#include "tests/support/memory_trap.h"
#include "tests/support/needs.h"

namespace cardswap::test {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Pair;
using Clock = std::chrono::steady_clock;

constexpr uid_t kNobody = 65534;

/// A program that waits, with an environment of the test's choice.
class Sleeper {
 public:
  explicit Sleeper(std::vector<std::string> environment) {
    std::vector<char*> words;
    for (auto& word : environment) words.push_back(word.data());
    words.push_back(nullptr);
    std::array<int, 2> runs{};
    if (::pipe2(runs.data(), O_CLOEXEC) != 0) throw std::runtime_error("pipe");
    pid_ = ::fork();
    if (pid_ == 0) {
      ::execle("/bin/sleep", "sleep", "1000", nullptr, words.data());
      ::_exit(1);
    }
    ::close(runs[1]);
    char nothing = 0;
    (void)!::read(runs[0], &nothing, 1);  // returns when exec() has closed the other end
    ::close(runs[0]);
  }
  ~Sleeper() {
    ::kill(pid_, SIGKILL);
    (void)::waitpid(pid_, nullptr, 0);
  }
  Sleeper(const Sleeper&) = delete;
  Sleeper& operator=(const Sleeper&) = delete;
  [[nodiscard]] pid_t pid() const { return pid_; }

 private:
  pid_t pid_ = -1;
};

TEST(EnvironmentScan, FindsAVariableByItsWholeName) {
  const Sleeper first({"MARKED=no", "NOMARK=no", "MARK=abc", "MARK=second"});
  const Sleeper none({"MAR=no", "MARK", "XMARK=no"});
  const Sleeper last({"A=" + std::string(100'000, 'x'), "MARK=" + std::string(80, 'y')});
  const auto seen = scan_environments({first.pid(), none.pid(), last.pid()}, "MARK");
  EXPECT_THAT(seen.values,
              ElementsAre(Pair(first.pid(), "abc"), Pair(last.pid(), std::string(63, 'y'))));
  EXPECT_THAT(seen.unread, IsEmpty());
}

TEST(EnvironmentScan, HasNothingOfAProcessThatIsGone) {
  pid_t gone = 0;
  {
    const Sleeper sleeper({"MARK=abc"});
    gone = sleeper.pid();
  }
  const Sleeper here({"MARK=def"});
  const auto seen = scan_environments({gone, here.pid()}, "MARK");
  EXPECT_THAT(seen.values, ElementsAre(Pair(here.pid(), "def")));
  EXPECT_THAT(seen.unread, IsEmpty());
}

TEST(EnvironmentScan, LeavesOutWhoseMemoryDoesNotAnswerAndReadsOn) {
  if (const auto missing = MemoryTrap::missing()) return skip_without("fuse", *missing);
  const MemoryTrap first(kNobody);
  const Sleeper between({"MARK=abc"});
  const MemoryTrap second(kNobody);
  const Sleeper last({"MARK=def"});
  const auto seen = scan_environments({first.pid(), between.pid(), second.pid(), last.pid()},
                                      "MARK", {.each = 500ms, .all = 1h});
  EXPECT_THAT(seen.values, ElementsAre(Pair(between.pid(), "abc"), Pair(last.pid(), "def")));
  EXPECT_THAT(seen.unread, ElementsAre(first.pid(), second.pid()));
}

TEST(EnvironmentScan, EndsInItsTimeHoweverManyDoNotAnswer) {
  if (const auto missing = MemoryTrap::missing()) return skip_without("fuse", *missing);
  const MemoryTrap trap(kNobody);
  const auto begun = Clock::now();
  const std::vector<pid_t> many(1000, trap.pid());
  const auto seen = scan_environments(many, "MARK", {.each = 20ms, .all = 300ms});
  EXPECT_LT(Clock::now() - begun, 3s);
  EXPECT_EQ(seen.unread.size(), many.size());
  EXPECT_EQ(::waitpid(-1, nullptr, WNOHANG), 0) << "no reader is left behind";
}

}  // namespace
}  // namespace cardswap::test
