#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

namespace cardswap {

/// How a job's first process ended: an exit code or a signal, one of the two. cardswap-init writes
/// it to a file, an agent reads it.
struct ExitStatus {
  std::optional<int> code;
  std::optional<int> signal;
  bool operator==(const ExitStatus&) const = default;
};

/// "exit 3" or "signal 9", from waitpid's status.
[[nodiscard]] std::string exit_status_text(int wait_status);
/// Reads exit_status_text(); nullopt for any other text.
[[nodiscard]] std::optional<ExitStatus> parse_exit_status(std::string_view text);
/// Reads a status file; nullopt if it is missing or holds something else. Does not follow a link,
/// nor block on a pipe.
[[nodiscard]] std::optional<ExitStatus> read_exit_status(const std::filesystem::path& file);

}  // namespace cardswap
