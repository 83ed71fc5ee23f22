#include "agent/cli/interrupts.h"

#include <poll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <iostream>

namespace cardswap::cli {

Interrupts::Interrupts() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGINT);
  sigaddset(&set, SIGTERM);
  ::sigprocmask(SIG_BLOCK, &set, &old_);
  signals_.reset(::signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC));
}

Interrupts::~Interrupts() { give_back(); }

void Interrupts::give_back() {
  if (!signals_) return;
  signals_.reset();
  ::sigprocmask(SIG_SETMASK, &old_, nullptr);
}

bool Interrupts::is_pending() const {
  pollfd waited{signals_.get(), POLLIN, 0};
  return ::poll(&waited, 1, 0) == 1;
}

int Interrupts::next() const {
  signalfd_siginfo info{};
  return ::read(signals_.get(), &info, sizeof(info)) == sizeof(info)
             ? static_cast<int>(info.ssi_signo)
             : 0;
}

bool Interrupts::has_come(std::chrono::milliseconds limit) const {
  if (limit.count() > 0) {
    pollfd waited{signals_.get(), POLLIN, 0};
    ::poll(&waited, 1, static_cast<int>(limit.count()));
  }
  return next() != 0;
}

bool Interrupts::confirm(const std::string& question) const {
  if (::isatty(STDIN_FILENO) != 1 || ::isatty(STDERR_FILENO) != 1) return true;
  std::cerr << question << " [y/N] " << std::flush;
  pollfd fds[] = {{STDIN_FILENO, POLLIN, 0}, {signals_.get(), POLLIN, 0}};
  ::poll(fds, 2, -1);
  if ((fds[1].revents & POLLIN) != 0) {
    std::cerr << "\n";
    return has_come();
  }
  std::string answer;
  std::getline(std::cin, answer);
  return answer == "y" || answer == "Y" || answer == "yes";
}

}  // namespace cardswap::cli
