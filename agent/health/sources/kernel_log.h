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

/// Callbacks of follow_log(), called on the thread of its io_context. All must be set.
struct LogCallbacks {
  /// A line of the file, or a record of /dev/kmsg, cut at 16 KiB. `since` says which lines may be
  /// old.
  std::function<void(std::string_view, const KernelReader::Since&)> line;
  /// "ok" when the log is opened, or why it cannot be read.
  std::function<void(std::string)> state;
  /// `line` has received everything before this place.
  std::function<void(LogCursor)> cursor;
  /// Everything that the log had when it was opened has been read. Called after each opening.
  std::function<void()> caught_up;
  /// A part of the log could not be read; the text says which.
  std::function<void(std::string)> lost;
};

/// Follows /dev/kmsg, a fifo or a growing file until it is cancelled. Begins at `from`, where a
/// former agent stopped, or else at the log's present end. Reads everything since `from`, also in
/// files that were rotated and are not compressed, but at most the last 64 MiB of each; `since`
/// marks the lines of a former boot. A file that shrinks or is replaced is read from its start. A
/// file that is missing is waited for.
[[nodiscard]] asio::awaitable<void> follow_log(asio::io_context& context,
                                               std::filesystem::path path,
                                               std::optional<LogCursor> from,
                                               LogCallbacks callbacks);

/// Cuts a stream of bytes into lines.
class LineCutter {
 public:
  explicit LineCutter(std::size_t most = 16384) : most_(most) {}
  /// Calls `line` for each line that `bytes` complete, with at most the first `most` of its bytes
  /// and without the line feed.
  void feed(std::string_view bytes, const std::function<void(std::string_view)>& line);

 private:
  std::size_t most_;
  std::string open_;  ///< the line that is not complete
};

}  // namespace cardswap::health
