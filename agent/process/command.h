#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <chrono>
#include <string>
#include <vector>

#include "agent/base/task_group.h"
#include "agent/process/process.h"

namespace cardswap::health {

/// A child process whose standard output is read here. It has no shell, no input and no other
/// descriptor of the agent. It leads its own process group, which is killed with this object.
class Command {
 public:
  /// Throws Error{refused} when it cannot be started.
  Command(asio::io_context& context, const std::vector<std::string>& argv);
  ~Command();
  Command(const Command&) = delete;
  Command& operator=(const Command&) = delete;

  asio::posix::stream_descriptor& output() { return output_; }
  /// The exit code after the process has ended; -1 if a signal ended it.
  asio::awaitable<int> wait();

 private:
  void reap(bool block) noexcept;

  asio::posix::stream_descriptor output_;
  ProcessId process_;
  int status_ = -1;
  bool reaped_ = false;
};

struct CommandResult {
  int exit_code = -1;
  bool timed_out = false;
  std::string output;  ///< the first 4 KiB
};
/// Runs the command to its end; kills it at the time limit.
[[nodiscard]] asio::awaitable<CommandResult> run_command(asio::io_context& context,
                                                         std::vector<std::string> argv,
                                                         std::chrono::milliseconds timeout);

}  // namespace cardswap::health
