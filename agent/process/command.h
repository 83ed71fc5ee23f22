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

/// A child process whose standard output is read here. It has no shell, no input and no other
/// descriptor of the agent. It leads its own process group, which is killed with this object.
class Command {
 public:
  /// Returns at once: whatever holds its program's start up holds nobody else up. `argv[0]` is a
  /// path. Throws Error{io} when there can be no child.
  Command(asio::io_context& context, const std::vector<std::string>& argv);
  ~Command();
  Command(const Command&) = delete;
  Command& operator=(const Command&) = delete;

  asio::posix::stream_descriptor& output() { return output_; }
  /// Waits for its end. Returns its exit code; -1 when a signal ended it. What it has left in its
  /// process group is killed then.
  asio::awaitable<int> wait();
  /// Kills it and its process group, and waits for its end; for a while only, since the kernel may
  /// hold it.
  asio::awaitable<void> end();
  /// Why the program did not start at all; once it has ended.
  [[nodiscard]] std::optional<Error> not_started() const;

 private:
  void reap(bool block) noexcept;

  std::string program_;
  asio::posix::stream_descriptor output_;
  asio::posix::stream_descriptor ended_;  ///< readable once it has ended
  Descriptor failure_;                    ///< where the child leaves errno when exec fails
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
/// Runs a command to its end, or kills it when the time is over. Throws Error{refused} when it
/// cannot be started.
[[nodiscard]] asio::awaitable<CommandResult> run_command(asio::io_context& context,
                                                         std::vector<std::string> argv,
                                                         std::chrono::milliseconds timeout);

}  // namespace cardswap
