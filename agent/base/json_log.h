#pragma once

#include <spdlog/formatter.h>

#include <memory>
#include <string_view>

namespace cardswap {

/// The job and the migration that a message is about. The agent's messages begin with them: "job
/// NAME migration ID ...", or with one of the two, or with neither. Both are views into the
/// message; a name that it does not have is empty.
struct LogSubject {
  std::string_view job;
  std::string_view migration;
};
[[nodiscard]] LogSubject subject_of(std::string_view message);

/// One JSON object a line: {"time", "level", "message"}, and "job" and "migration" where the
/// message begins with them. The message may hold any bytes; one that is not UTF-8 becomes '?'.
[[nodiscard]] std::unique_ptr<spdlog::formatter> json_log_format();
/// One text line a message: time, level and the message as printable() prints it.
[[nodiscard]] std::unique_ptr<spdlog::formatter> text_log_format();

}  // namespace cardswap
