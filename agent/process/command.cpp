#include "agent/process/command.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <cerrno>
#include <cstring>

#include "agent/process/pipe.h"
#include "migrator/base/os_error.h"

extern char** environ;  // NOLINT: POSIX

namespace cardswap {
namespace {

using namespace asio::experimental::awaitable_operators;  // NOLINT: || of two awaitables

constexpr std::size_t kOutputMax = 4096;
constexpr std::chrono::seconds kEndMax{2};
constexpr int kFailureFd = 3;

/// Its background children hold the output open: they are killed once it has ended.
asio::awaitable<std::string> read_all(Command& command) {
  std::string kept;
  std::array<char, 1024> piece{};
  boost::system::error_code error;
  while (!error) {
    const auto got = co_await command.output().async_read_some(
        asio::buffer(piece), asio::redirect_error(asio::use_awaitable, error));
    kept.append(piece.data(), std::min(got, kOutputMax - kept.size()));
  }
  co_return kept;
}

asio::awaitable<CommandResult> to_its_end(Command& command) {
  auto [output, code] = co_await (read_all(command) && command.wait());
  CommandResult result;
  result.output = std::move(output);
  result.exit_code = code;
  co_return result;
}

/// Between fork and exec: only calls that are allowed there.
[[noreturn]] void become(char* const* argv, int out, int failure) {
  sigset_t none;
  sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  for (int number = 1; number < NSIG; ++number) ::signal(number, SIG_DFL);
  ::setpgid(0, 0);
  // The three that the program has may be in the place of these two.
  const int to = ::fcntl(out, F_DUPFD_CLOEXEC, kFailureFd + 1);
  const int report = ::fcntl(failure, F_DUPFD_CLOEXEC, kFailureFd + 1);
  ::dup2(::open("/dev/null", O_RDWR), 0);
  ::dup2(to, 1);
  ::dup2(0, 2);
  ::dup3(report, kFailureFd, O_CLOEXEC);
  // Now, and not by exec, which somebody may hold up: the agent's sockets are not kept open here.
  ::syscall(SYS_close_range, kFailureFd + 1U, ~0U, 0U);
  ::execve(argv[0], argv, environ);
  const int error = errno;
  [[maybe_unused]] const auto written = ::write(kFailureFd, &error, sizeof(error));
  ::_exit(127);
}

}  // namespace

Command::Command(asio::io_context& context, const std::vector<std::string>& argv)
    : program_(argv.at(0)), output_(context), ended_(context) {
  auto out = make_pipe();
  auto failure = make_pipe();
  std::vector<char*> words;
  for (const auto& word : argv) words.push_back(const_cast<char*>(word.c_str()));
  words.push_back(nullptr);
  pid_ = ::fork();
  if (pid_ == 0) become(words.data(), out.write.get(), failure.write.get());
  if (pid_ < 0) throw os_error("fork");
  ::setpgid(pid_, pid_);  // whoever is first: it is to be there before it is killed
  try {
    Descriptor ended(static_cast<int>(::syscall(SYS_pidfd_open, pid_, 0)));
    // Nobody could wait for it then but by holding everybody up.
    if (!ended) throw os_error("watch " + program_);
    ended_.assign(ended.release());
    ::fcntl(failure.read.get(), F_SETFL, O_NONBLOCK);
    failure_ = std::move(failure.read);
    output_.assign(out.read.release());
  } catch (...) {
    ::kill(-pid_, SIGKILL);
    reap(false);  // or it is a zombie until the agent ends
    throw;
  }
}

Command::~Command() {
  if (reaped_) return;
  ::kill(-pid_, SIGKILL);
  reap(false);
}

void Command::reap(bool block) noexcept {
  int status = 0;
  if (::waitpid(pid_, &status, block ? 0 : WNOHANG) != pid_) return;
  reaped_ = true;
  if (WIFEXITED(status)) status_ = WEXITSTATUS(status);
}

asio::awaitable<int> Command::wait() {
  co_await ended_.async_wait(asio::posix::stream_descriptor::wait_read, asio::use_awaitable);
  ::kill(-pid_, SIGKILL);  // what it left behind; its number is its own until waited for
  reap(true);
  co_return status_;
}

asio::awaitable<void> Command::end() {
  if (reaped_) co_return;
  ::kill(-pid_, SIGKILL);
  asio::steady_timer timer(co_await asio::this_coro::executor, kEndMax);
  (void)co_await (wait() || timer.async_wait(asio::use_awaitable));
}

std::optional<Error> Command::not_started() const {
  int error = 0;
  if (::read(failure_.get(), &error, sizeof(error)) != sizeof(error)) return std::nullopt;
  return Error(Code::refused, fmt::format("start {}: {}", program_, std::strerror(error)),
               "check its path and rights");
}

asio::awaitable<CommandResult> run_command(asio::io_context& context, std::vector<std::string> argv,
                                           std::chrono::milliseconds timeout) {
  Command command(context, argv);
  asio::steady_timer timer(context, timeout);
  auto first = co_await (to_its_end(command) || timer.async_wait(asio::use_awaitable));
  if (auto* result = std::get_if<0>(&first)) {
    if (auto failed = command.not_started()) throw std::move(*failed);
    co_return std::move(*result);
  }
  co_await command.end();  // its children end with it
  CommandResult late;
  late.timed_out = true;
  co_return late;
}

}  // namespace cardswap
