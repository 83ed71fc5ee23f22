#include "migrator/base/process_mark.h"

#include <gmock/gmock.h>
#include <sys/wait.h>
#include <unistd.h>

#include <string>

namespace cardswap {
namespace {

/// The mark of this process with another pid, start time or place.
std::string mark_with(const std::string& place, const std::string& pid, const std::string& start) {
  const auto own = mark_of_this_process();
  const auto first = own.find('-');
  const auto second = own.find('-', first + 1);
  return (place.empty() ? own.substr(0, first) : place) + "-" +
         (pid.empty() ? own.substr(first + 1, second - first - 1) : pid) + "-" +
         (start.empty() ? own.substr(second + 1) : start);
}

TEST(ProcessMark, IsOfAProcessThatLives) {
  ASSERT_FALSE(mark_of_this_process().empty());
  EXPECT_EQ(mark_of_this_process(), mark_with({}, {}, {}));
  EXPECT_FALSE(has_ended_for_certain(mark_of_this_process()));
}

TEST(ProcessMark, IsKnownToHaveEndedOnceItsProcessHas) {
  int pipe[2];
  ASSERT_EQ(::pipe(pipe), 0);
  const auto child = ::fork();
  if (child == 0) {
    const auto mark = mark_of_this_process();
    (void)!::write(pipe[1], mark.data(), mark.size());
    ::_exit(0);
  }
  std::string mark(100, '\0');
  ::close(pipe[1]);
  const auto size = ::read(pipe[0], mark.data(), mark.size());
  ASSERT_GT(size, 0);
  mark.resize(static_cast<std::size_t>(size));
  ::close(pipe[0]);
  siginfo_t ended{};
  ASSERT_EQ(::waitid(P_PID, static_cast<id_t>(child), &ended, WEXITED | WNOWAIT), 0);
  EXPECT_TRUE(has_ended_for_certain(mark)) << "it is a zombie";
  ::waitpid(child, nullptr, 0);
  EXPECT_TRUE(has_ended_for_certain(mark)) << mark;
}

TEST(ProcessMark, OfAPidThatIsUsedAgainIsOfAProcessThatHasEnded) {
  EXPECT_TRUE(has_ended_for_certain(mark_with({}, {}, "1")));
}

TEST(ProcessMark, OfAnotherHostOrOfNothingSaysNothing) {
  EXPECT_FALSE(has_ended_for_certain(mark_with("0123456789abcdef", {}, "1")));
  const auto place = mark_of_this_process().substr(0, 16);
  for (const auto& text : {std::string(), std::string("-"), std::string("w"), place, place + "-",
                           place + "-x-1", place + "-1", place + "--1-1", place + "-0-1",
                           place + "-99999999999999-1", place + "-1-"}) {
    EXPECT_FALSE(has_ended_for_certain(text)) << text;
  }
}

}  // namespace
}  // namespace cardswap
