#include "agent/criu/exit_status.h"

#include <fmt/format.h>
#include <sys/wait.h>

#include <charconv>
#include <fstream>

namespace cardswap::criu {

std::string exit_status_text(int wait_status) {
  return WIFSIGNALED(wait_status) ? fmt::format("signal {}", WTERMSIG(wait_status))
                                  : fmt::format("exit {}", WEXITSTATUS(wait_status));
}

std::optional<ExitStatus> parse_exit_status(std::string_view text) {
  const auto space = text.find(' ');
  if (space == std::string_view::npos) return std::nullopt;
  auto digits = text.substr(space + 1);
  while (digits.ends_with('\n')) digits.remove_suffix(1);
  int number = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
  if (error != std::errc{} || end != digits.data() + digits.size() || number < 0 || number > 255) {
    return std::nullopt;
  }
  ExitStatus status;
  if (text.substr(0, space) == "exit") {
    status.code = number;
  } else if (text.substr(0, space) == "signal" && number > 0) {
    status.signal = number;
  } else {
    return std::nullopt;
  }
  return status;
}

std::optional<ExitStatus> read_exit_status(const std::filesystem::path& file) {
  std::ifstream in(file);
  std::string line;
  if (!std::getline(in, line)) return std::nullopt;
  return parse_exit_status(line);
}

}  // namespace cardswap::criu
