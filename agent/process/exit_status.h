#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

namespace cardswap {

/// How a job's first process ended: an exit code or a signal. cardswap-init writes it, an agent
/// reads it.
struct ExitStatus {
  std::optional<int> code;
  std::optional<int> signal;
  bool operator==(const ExitStatus&) const = default;
};

/// "exit 3" or "signal 9", as waitpid tells it.
[[nodiscard]] std::string exit_status_text(int wait_status);
[[nodiscard]] std::optional<ExitStatus> parse_exit_status(std::string_view text);
/// Reads a status; nothing if the file is missing or holds something else.
[[nodiscard]] std::optional<ExitStatus> read_exit_status(const std::filesystem::path& file);

}  // namespace cardswap
