#pragma once

#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "agent/base/task_group.h"
#include "agent/health/kernel_reader.h"
#include "agent/health/log_place.h"

namespace cardswap::health {

/// What following a log tells, on the agent's thread.
struct LogEvents {
  /// A line, or a record of /dev/kmsg, cut at 16 KiB. `since`: which may be old.
  std::function<void(std::string_view, const KernelReader::Since&)> line;
  /// "ok", or why nothing is read.
  std::function<void(std::string)> state;
  /// Everything up to there was given to `line`.
  std::function<void(LogPlace)> place;
  /// All that was there at the start has been read.
  std::function<void()> caught_up;
  /// Something that was written is not read: what.
  std::function<void(std::string)> lost;
};

/// Follows /dev/kmsg, a fifo or a growing file, for ever. It begins at `from`, where a former agent
/// left it, and at its present end without: what came meanwhile is read, also from files that were
/// rotated meanwhile and not yet compressed, but nothing older than this boot. A file that shrinks
/// or is replaced is read from its start; one that is not there is waited for.
[[nodiscard]] asio::awaitable<void> follow_log(asio::io_context& context,
                                               std::filesystem::path path,
                                               std::optional<LogPlace> from, LogEvents events);

/// Cuts bytes into lines of bounded length, whatever they are.
class LineCutter {
 public:
  explicit LineCutter(std::size_t most = 16384) : most_(most) {}
  void feed(std::string_view bytes, const std::function<void(std::string_view)>& line);

 private:
  std::size_t most_;
  std::string open_;
};

}  // namespace cardswap::health
