#include "agent/cli/text/screen.h"

#include <poll.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <string_view>

#include "agent/base/write_all.h"

namespace cardswap::cli {
namespace {

/// The alternate screen and no cursor; lines that are too long do not wrap.
constexpr std::string_view kEnter = "\033[?1049h\033[?25l\033[?7l";
constexpr std::string_view kLeave = "\033[?7h\033[?25h\033[?1049l";

/// A terminal that is gone is no error here: wait() gets a signal.
void put_out(std::string_view text) { (void)write_all(STDOUT_FILENO, text); }

}  // namespace

bool Screen::is_possible() {
  const char* terminal = std::getenv("TERM");  // NOLINT(concurrency-mt-unsafe): one thread
  return ::isatty(STDOUT_FILENO) == 1 && terminal != nullptr &&
         std::string_view(terminal) != "dumb";
}

Screen::Screen() : keys_(::isatty(STDIN_FILENO) == 1) {
  sigset_t set;
  sigemptyset(&set);
  for (const int number : {SIGINT, SIGTERM, SIGHUP, SIGWINCH, SIGTSTP}) sigaddset(&set, number);
  ::sigprocmask(SIG_BLOCK, &set, &old_mask_);
  signals_.reset(::signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC));
  if (keys_ && ::tcgetattr(STDIN_FILENO, &old_mode_) != 0) keys_ = false;
  enter();
}

Screen::~Screen() {
  leave();
  signals_.reset();
  ::sigprocmask(SIG_SETMASK, &old_mask_, nullptr);
}

void Screen::enter() {
  if (keys_) {
    auto mode = old_mode_;
    mode.c_lflag &= ~static_cast<tcflag_t>(ICANON | ECHO);
    ::tcsetattr(STDIN_FILENO, TCSADRAIN, &mode);
  }
  put_out(kEnter);
}

void Screen::leave() {
  put_out(kLeave);
  if (keys_) ::tcsetattr(STDIN_FILENO, TCSADRAIN, &old_mode_);
}

Screen::Size Screen::size() {
  winsize now{};
  if (::ioctl(STDOUT_FILENO, TIOCGWINSZ, &now) != 0 || now.ws_col == 0 || now.ws_row == 0) {
    return {};
  }
  return {now.ws_col, now.ws_row};
}

void Screen::draw(const std::string& lines) {
  // Each line is erased before it is written: after a full line the cursor is on its last
  // character.
  std::string text = "\033[H\033[K";
  std::size_t shown = 1;
  for (const char c : lines) {
    if (c == '\n') {
      text += "\r\n\033[K";
      ++shown;
    } else {
      text += c;
    }
  }
  if (shown < size().height) text += "\r\n\033[J";
  put_out(text);
}

Screen::Event Screen::wait(std::chrono::steady_clock::time_point due) {
  while (true) {
    const auto left =
        std::chrono::ceil<std::chrono::milliseconds>(due - std::chrono::steady_clock::now());
    if (left.count() <= 0) return Event::due;
    std::array<pollfd, 2> fds{
        {{signals_.get(), POLLIN, 0}, {keys_ ? STDIN_FILENO : -1, POLLIN, 0}}};
    ::poll(fds.data(), fds.size(), static_cast<int>(std::min<long>(left.count(), 60'000)));
    if (fds[1].revents != 0) {
      char key = 0;
      const auto got = ::read(STDIN_FILENO, &key, 1);
      if (got <= 0 || key == 'q' || key == 'Q' || key == 4) return Event::quit;
    }
    signalfd_siginfo info{};
    if (::read(signals_.get(), &info, sizeof(info)) != sizeof(info)) continue;
    if (info.ssi_signo == SIGWINCH) return Event::redraw;
    if (info.ssi_signo != SIGTSTP) return Event::quit;
    leave();
    ::raise(SIGSTOP);  // what SIGTSTP would have done, on a terminal in order
    enter();
    return Event::redraw;
  }
}

}  // namespace cardswap::cli
