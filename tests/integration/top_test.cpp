/// Method: `cardswap top` runs on a pseudo-terminal, whose size and signals the test commands, and
/// without one. What counts is what it draws, and that the terminal is given back as it was.

#include <fcntl.h>
#include <gmock/gmock.h>
#include <pty.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include <boost/json.hpp>
#include <cstdlib>

#include "tests/support/hosts.h"

namespace cardswap::test {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;
using ::testing::Not;

/// A program on a terminal of its own.
class OnTerminal {
 public:
  OnTerminal(std::vector<std::string> argv, unsigned short columns) {
    std::vector<char*> words;
    for (auto& word : argv) words.push_back(word.data());
    words.push_back(nullptr);
    winsize size{24, columns, 0, 0};
    pid_ = ::forkpty(&fd_, nullptr, nullptr, &size);
    if (pid_ == 0) {
      ::setenv("TERM", "xterm", 1);
      ::execv(words[0], words.data());
      ::_exit(127);
    }
    ::fcntl(fd_, F_SETFL, O_NONBLOCK);
    ::tcgetattr(fd_, &before_);
  }
  ~OnTerminal() {
    if (pid_ > 0) {
      ::kill(pid_, SIGKILL);
      ::waitpid(pid_, nullptr, 0);
    }
    ::close(fd_);
  }
  OnTerminal(const OnTerminal&) = delete;
  OnTerminal& operator=(const OnTerminal&) = delete;

  /// True when `text` is drawn within 10 s after what was asked for before.
  bool shows(const std::string& text) {
    const bool found = within(10s, [&] {
      read();
      return seen_.find(text, from_) != std::string::npos;
    });
    from_ = seen_.size();
    return found;
  }
  void type(char key) { EXPECT_EQ(::write(fd_, &key, 1), 1); }
  void resize(unsigned short columns) {
    winsize size{24, columns, 0, 0};
    EXPECT_EQ(::ioctl(fd_, TIOCSWINSZ, &size), 0);
  }
  void signal(int number) const { ::kill(pid_, number); }
  /// Its exit code, -1 when it did not end within 10 s or by a signal.
  int ended() {
    int status = 0;
    const bool gone = within(10s, [&] {
      read();
      return ::waitpid(pid_, &status, WNOHANG) == pid_;
    });
    if (!gone) return -1;
    pid_ = 0;
    read();
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }
  [[nodiscard]] const std::string& seen() const { return seen_; }
  [[nodiscard]] bool echoes() const {
    termios now{};
    return ::tcgetattr(fd_, &now) == 0 && (now.c_lflag & ECHO) != 0 &&
           now.c_lflag == before_.c_lflag;
  }

 private:
  void read() {
    char piece[4096];
    for (ssize_t got = 0; (got = ::read(fd_, piece, sizeof(piece))) > 0;) {
      seen_.append(piece, static_cast<std::size_t>(got));
    }
  }

  int fd_ = -1;
  pid_t pid_ = 0;
  termios before_{};
  std::string seen_;
  std::size_t from_ = 0;
};

constexpr auto kEnter = "\033[?1049h\033[?25l\033[?7l";
constexpr auto kLeave = "\033[?7h\033[?25h\033[?1049l";

class Top : public ::testing::Test {
 protected:
  void start_job() {
    a_.run_job("job", {trainer("plain_memory"), "--steps", "100000", "--step-ms", "5"});
    ASSERT_TRUE(within(30s, [&] { return a_.step_of("job") >= 3; })) << a_.log();
  }
  std::vector<std::string> top() const {
    return {CARDSWAP, "--agent",    (a_.dir() / "cardswapd.sock").string(),
            "top",    "--interval", "100ms"};
  }

  TempDir dir_;
  Host a_{dir_.path() / "a", {.name = "host-a"}};
};

TEST_F(Top, PrintsOneTableWithoutATerminal) {
  EXPECT_THAT(a_.command({"top"}).out, HasSubstr("no jobs"));
  start_job();
  const auto outcome = a_.command({"top"});
  EXPECT_EQ(outcome.exit_code, 0);
  EXPECT_THAT(outcome.out, HasSubstr("host-a  cardswapd "));
  EXPECT_THAT(outcome.out, HasSubstr("1 job, 0 migrations"));
  EXPECT_THAT(outcome.out, HasSubstr("JOB  STATE    DEVICE"));
  EXPECT_THAT(outcome.out, Not(HasSubstr("\033")));
  const auto object = a_.ask({"top", "--once"});
  EXPECT_EQ(object.at("jobs").as_array().size(), 1U);
  EXPECT_EQ(a_.command({"top", "--interval", "1ms"}).exit_code, 2);
}

TEST_F(Top, DrawsAgainFollowsTheSizeAndGivesTheTerminalBack) {
  start_job();
  OnTerminal terminal(top(), 120);
  ASSERT_TRUE(terminal.shows(kEnter));
  EXPECT_TRUE(terminal.shows("STATE SIZE")) << terminal.seen();
  EXPECT_TRUE(terminal.shows("STATE SIZE")) << "and again";
  terminal.resize(30);
  EXPECT_TRUE(terminal.shows("host-a  cardswapd")) << "whatever it was drawing";
  EXPECT_TRUE(terminal.shows("~\r")) << "the header is cut";
  EXPECT_FALSE(terminal.echoes());
  terminal.type('q');
  EXPECT_EQ(terminal.ended(), 0);
  EXPECT_TRUE(terminal.seen().ends_with(kLeave)) << terminal.seen();
  EXPECT_TRUE(terminal.echoes());
}

TEST_F(Top, EndsByCtrlCAndByASignal) {
  for (const char key : {'\x03', '\0'}) {
    OnTerminal terminal(top(), 80);
    ASSERT_TRUE(terminal.shows("no jobs"));
    if (key != 0) {
      terminal.type(key);
    } else {
      terminal.signal(SIGTERM);
    }
    EXPECT_EQ(terminal.ended(), 0);
    EXPECT_TRUE(terminal.seen().ends_with(kLeave));
    EXPECT_TRUE(terminal.echoes());
  }
}

TEST_F(Top, WaitsForAnAgentThatIsRestarted) {
  OnTerminal terminal(top(), 80);
  ASSERT_TRUE(terminal.shows("no jobs"));
  a_.kill_agent(SIGTERM);
  EXPECT_TRUE(terminal.shows("no answer: "));
  a_.start_agent();
  EXPECT_TRUE(within(10s, [&] {
    (void)terminal.shows("\033[H");
    return terminal.seen().rfind("no answer: ") < terminal.seen().rfind("\033[H");
  }));
  terminal.type('q');
  EXPECT_EQ(terminal.ended(), 0);
  EXPECT_EQ(run(top()).exit_code, 0);
}

}  // namespace
}  // namespace cardswap::test
