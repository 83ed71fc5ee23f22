#include "agent/process/command.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <cstring>

#include "migrator/core/error.h"

extern char** environ;  // NOLINT: POSIX

namespace cardswap::health {
namespace {

using namespace asio::experimental::awaitable_operators;  // NOLINT: || of two awaitables

constexpr std::size_t kOutputMax = 4096;

/// posix_spawn's arguments, freed with their owner.
struct SpawnArguments {
  SpawnArguments() {
    posix_spawn_file_actions_init(&actions);
    posix_spawnattr_init(&attributes);
  }
  ~SpawnArguments() {
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
  }
  SpawnArguments(const SpawnArguments&) = delete;
  SpawnArguments& operator=(const SpawnArguments&) = delete;

  posix_spawn_file_actions_t actions{};
  posix_spawnattr_t attributes{};
};

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
  CommandResult result;
  result.output = co_await read_all(command);
  result.exit_code = co_await command.wait();
  co_return result;
}

}  // namespace

Command::Command(asio::io_context& context, const std::vector<std::string>& argv)
    : output_(context) {
  std::array<int, 2> out{};
  if (::pipe2(out.data(), O_CLOEXEC) != 0) {
    throw Error(Code::io, fmt::format("make a pipe: {}", std::strerror(errno)));
  }
  SpawnArguments with;
  posix_spawn_file_actions_addopen(&with.actions, 0, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&with.actions, out[1], 1);
  posix_spawn_file_actions_addopen(&with.actions, 2, "/dev/null", O_WRONLY, 0);
  posix_spawn_file_actions_addclosefrom_np(&with.actions, 3);
  sigset_t none;
  sigset_t all;
  sigemptyset(&none);
  sigfillset(&all);
  posix_spawnattr_setsigmask(&with.attributes, &none);
  posix_spawnattr_setsigdefault(&with.attributes, &all);
  posix_spawnattr_setpgroup(&with.attributes, 0);
  posix_spawnattr_setflags(&with.attributes,
                           POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
  std::vector<char*> words;
  for (const auto& word : argv) words.push_back(const_cast<char*>(word.c_str()));
  words.push_back(nullptr);
  const int failed = ::posix_spawn(&process_.pid, words.front(), &with.actions, &with.attributes,
                                   words.data(), environ);
  ::close(out[1]);
  if (failed != 0) {
    ::close(out[0]);
    process_.pid = 0;
    throw Error(Code::refused, fmt::format("start {}: {}", argv.front(), std::strerror(failed)),
                "check its path and rights");
  }
  process_.start_time = start_time_of(process_.pid).value_or(0);
  output_.assign(out[0]);
}

Command::~Command() {
  if (process_.pid <= 0 || reaped_) return;
  ::kill(-process_.pid, SIGKILL);
  reap(false);
}

void Command::reap(bool block) noexcept {
  int status = 0;
  if (::waitpid(process_.pid, &status, block ? 0 : WNOHANG) != process_.pid) return;
  reaped_ = true;
  if (WIFEXITED(status)) status_ = WEXITSTATUS(status);
}

asio::awaitable<int> Command::wait() {
  const int fd = open_pidfd(process_);
  if (fd >= 0) {
    asio::posix::stream_descriptor descriptor(co_await asio::this_coro::executor, fd);
    co_await descriptor.async_wait(asio::posix::stream_descriptor::wait_read, asio::use_awaitable);
  }
  ::kill(-process_.pid, SIGKILL);  // what it left behind; its number is its own until waited for
  reap(true);
  co_return status_;
}

asio::awaitable<CommandResult> run_command(asio::io_context& context, std::vector<std::string> argv,
                                           std::chrono::milliseconds timeout) {
  Command command(context, argv);
  asio::steady_timer timer(context, timeout);
  auto first = co_await (to_its_end(command) || timer.async_wait(asio::use_awaitable));
  if (auto* result = std::get_if<0>(&first)) co_return std::move(*result);
  CommandResult late;
  late.timed_out = true;
  co_return late;
}

}  // namespace cardswap::health
