#pragma once

#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "agent/base/task_group.h"
#include "agent/health/sources/kernel_reader.h"
#include "agent/health/sources/log_cursor.h"

namespace cardswap::health {

/// Callbacks of follow_log(), on the agent's thread.
struct LogCallbacks {
  /// A line, or a record of /dev/kmsg, cut at 16 KiB. `since`: says which lines may be old.
  std::function<void(std::string_view, const KernelReader::Since&)> line;
  /// "ok", or why nothing is read.
  std::function<void(std::string)> state;
  /// `line` has received everything up to this place.
  std::function<void(LogCursor)> cursor;
  /// The log's content at the start has been read.
  std::function<void()> caught_up;
  /// A part of the log could not be read: which.
  std::function<void(std::string)> lost;
};

/// Follows /dev/kmsg, a fifo or a growing file, for ever. Begins at `from`, where a former agent
/// stopped, or else at the log's present end. Reads everything since `from`, also in files that
/// were rotated and not yet compressed, but nothing older than this boot. Reads a file that shrinks
/// or is replaced from its start; waits for a file that is missing.
[[nodiscard]] asio::awaitable<void> follow_log(asio::io_context& context,
                                               std::filesystem::path path,
                                               std::optional<LogCursor> from,
                                               LogCallbacks callbacks);

/// Cuts any bytes into lines of bounded length.
class LineCutter {
 public:
  explicit LineCutter(std::size_t most = 16384) : most_(most) {}
  void feed(std::string_view bytes, const std::function<void(std::string_view)>& line);

 private:
  std::size_t most_;
  std::string open_;
};

}  // namespace cardswap::health
