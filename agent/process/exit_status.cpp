#include "agent/process/exit_status.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>

#include "agent/base/text_parts.h"
#include "migrator/base/descriptor.h"

namespace cardswap {

std::string exit_status_text(int wait_status) {
  return WIFSIGNALED(wait_status) ? fmt::format("signal {}", WTERMSIG(wait_status))
                                  : fmt::format("exit {}", WEXITSTATUS(wait_status));
}

std::optional<ExitStatus> parse_exit_status(std::string_view text) {
  const auto space = text.find(' ');
  if (space == std::string_view::npos) return std::nullopt;
  auto digits = text.substr(space + 1);
  while (digits.ends_with('\n')) digits.remove_suffix(1);
  const auto number = number_in<int>(digits).value_or(-1);
  if (number < 0 || number > 255) return std::nullopt;
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
  // The folder may be the job's user's: not through a link, nor waiting for who writes into a pipe.
  const Descriptor in(::open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  struct stat facts {};
  if (!in || ::fstat(in.get(), &facts) != 0 || !S_ISREG(facts.st_mode)) return std::nullopt;
  std::array<char, 32> text{};
  const auto got = ::read(in.get(), text.data(), text.size());
  if (got <= 0) return std::nullopt;
  const std::string_view all(text.data(), static_cast<std::size_t>(got));
  return parse_exit_status(all.substr(0, all.find('\n')));
}

}  // namespace cardswap
