#pragma once

#include <spdlog/formatter.h>

#include <memory>
#include <string_view>

namespace cardswap {

/// The job and the migration that a log message is about. The agent's messages begin with them:
/// "job NAME migration ID ...", or with one of the two, or with neither. Both are views into the
/// message; empty: the message does not name it.
struct LogSubject {
  std::string_view job;
  std::string_view migration;
};
[[nodiscard]] LogSubject subject_of(std::string_view message);

/// A format with one JSON object in each line: {"time", "level", "message"}, and "job" and
/// "migration" where the message begins with them. The message may hold any bytes; a byte that is
/// not UTF-8 becomes '?'.
[[nodiscard]] std::unique_ptr<spdlog::formatter> json_log_format();
/// A format with one line of text for each message: time, level and the message, by printable().
[[nodiscard]] std::unique_ptr<spdlog::formatter> text_log_format();

}  // namespace cardswap
