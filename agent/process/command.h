#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "agent/base/task_group.h"
#include "migrator/base/descriptor.h"
#include "migrator/base/error.h"

namespace cardswap {

/// A child process whose standard output is read here. It runs without a shell, has no input and no
/// other descriptor of the agent. It leads its own process group, which the destructor kills.
class Command {
 public:
  /// Forks and returns at once; not_started() tells later whether exec failed. `argv[0]` is a path.
  /// Throws Error{io} when the host has no process or descriptor left.
  Command(asio::io_context& context, const std::vector<std::string>& argv);
  ~Command();
  Command(const Command&) = delete;
  Command& operator=(const Command&) = delete;

  /// The read end of its standard output.
  asio::posix::stream_descriptor& output() { return output_; }
  /// Waits for its end, without a limit. Returns its exit code; -1 when a signal ended it. Kills
  /// what is left of its process group then.
  asio::awaitable<int> wait();
  /// Kills it and its process group, and waits for its end, 2 s at most, since the kernel may hold
  /// it.
  asio::awaitable<void> end();
  /// Why the program could not be started; nullopt: it was started. Call it once, after its end.
  [[nodiscard]] std::optional<Error> not_started() const;

 private:
  void reap(bool block) noexcept;

  std::string program_;
  asio::posix::stream_descriptor output_;
  asio::posix::stream_descriptor ended_;  ///< its pidfd: readable once it has ended
  Descriptor failure_;                    ///< a pipe into which the child writes errno of exec
  pid_t pid_ = 0;
  int status_ = -1;
  bool reaped_ = false;
};

/// How a command ended, and what it printed.
struct CommandResult {
  int exit_code = -1;
  bool timed_out = false;
  std::string output;  ///< the first 4 KiB
};
/// Runs a command to its end; kills it when `timeout` is over (`timed_out`). Throws Error{refused}
/// when the program cannot be started, Error{io} as Command does.
[[nodiscard]] asio::awaitable<CommandResult> run_command(asio::io_context& context,
                                                         std::vector<std::string> argv,
                                                         std::chrono::milliseconds timeout);

}  // namespace cardswap
