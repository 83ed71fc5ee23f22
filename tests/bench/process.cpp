#include "tests/bench/process.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <system_error>
#include <utility>

extern char** environ;  // NOLINT: POSIX declares it in no header

namespace cardswap::bench {

Process::Process(std::vector<std::string> argv, const std::vector<std::string>& environment)
    : name_(argv.at(0)) {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) {
    throw std::system_error(errno, std::generic_category(), "pipe");
  }
  std::vector<char*> arguments;
  for (auto& argument : argv) arguments.push_back(argument.data());
  arguments.push_back(nullptr);
  auto added = environment;
  std::vector<char*> variables;
  for (auto& entry : added) variables.push_back(entry.data());
  for (char** entry = environ; *entry != nullptr; ++entry) variables.push_back(*entry);
  variables.push_back(nullptr);

  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
  const int failed =
      ::posix_spawnp(&pid_, arguments[0], &actions, nullptr, arguments.data(), variables.data());
  ::posix_spawn_file_actions_destroy(&actions);
  ::close(ends[1]);
  stdout_ = ends[0];
  if (failed != 0) {
    ::close(stdout_);
    throw std::system_error(failed, std::generic_category(), "start " + name_);
  }
}

Process::~Process() {
  ::kill(pid_, SIGKILL);
  ::waitpid(pid_, nullptr, 0);
  ::close(stdout_);
}

bool Process::fill(std::chrono::milliseconds limit) {
  pollfd fd{stdout_, POLLIN, 0};
  if (ended_ || ::poll(&fd, 1, static_cast<int>(limit.count())) <= 0) return false;
  std::array<char, 4096> piece;
  const auto got = ::read(stdout_, piece.data(), piece.size());
  if (got > 0) pending_.append(piece.data(), static_cast<std::size_t>(got));
  if (got == 0) ended_ = true;
  return true;
}

std::optional<std::string> Process::line(std::chrono::seconds limit) {
  while (true) {
    const auto end = pending_.find('\n');
    if (end != std::string::npos) {
      auto line = pending_.substr(0, end);
      pending_.erase(0, end + 1);
      return line;
    }
    if (ended_) return std::nullopt;
    if (!fill(limit)) {
      throw std::runtime_error(fmt::format("{} printed nothing for {} s", name_, limit.count()));
    }
  }
}

std::vector<std::string> Process::lines(std::chrono::seconds limit) {
  std::vector<std::string> all;
  while (auto next = line(limit)) all.push_back(std::move(*next));
  return all;
}

void Process::skip_pending() {
  while (fill(std::chrono::milliseconds(0))) {
  }
  const auto last = pending_.rfind('\n');
  if (last != std::string::npos) pending_.erase(0, last + 1);
}

}  // namespace cardswap::bench
