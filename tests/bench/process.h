#pragma once

#include <sys/types.h>

#include <chrono>
#include <optional>
#include <string>
#include <vector>

namespace cardswap::bench {

/// A child whose stdout is read line by line; killed and waited for by the destructor.
/// Throws std::system_error when it cannot be started.
class Process {
 public:
  /// `environment`: "NAME=value" entries that are added to this process's own.
  explicit Process(std::vector<std::string> argv, const std::vector<std::string>& environment = {});
  ~Process();
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  /// The next line without its end; nothing once stdout is closed.
  /// Throws std::runtime_error when none comes within `limit`.
  std::optional<std::string> line(std::chrono::seconds limit);
  /// Everything until stdout is closed.
  std::vector<std::string> lines(std::chrono::seconds limit);
  /// Forgets lines that have already arrived.
  void skip_pending();

 private:
  bool fill(std::chrono::milliseconds limit);

  std::string name_;
  pid_t pid_ = -1;
  int stdout_ = -1;
  bool ended_ = false;
  std::string pending_;
};

}  // namespace cardswap::bench
