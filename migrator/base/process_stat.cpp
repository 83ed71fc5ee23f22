#include "migrator/base/process_stat.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <sstream>
#include <string>

#include "migrator/base/descriptor.h"
#include "migrator/base/os_error.h"

namespace cardswap {
namespace {

constexpr std::size_t kStatBytesMax = 4096;

}  // namespace

std::optional<ProcessStat> process_stat_of(pid_t pid) {
  const auto path = fmt::format("/proc/{}/stat", pid);
  std::array<char, kStatBytesMax> read{};
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  const auto got = file ? ::read(file.get(), read.data(), read.size()) : -1;
  if (got < 0 && errno != ENOENT && errno != ESRCH) throw os_error("look at " + path);
  if (got <= 0) return std::nullopt;
  const std::string text(read.data(), static_cast<std::size_t>(got));
  const auto close = text.rfind(')');  // the name, field 2, may hold anything
  if (close == std::string::npos) return std::nullopt;
  std::istringstream rest(text.substr(close + 1));
  ProcessStat stat;
  rest >> stat.state;  // field 3
  std::string skipped;
  for (int field = 4; field < 22; ++field) rest >> skipped;
  if (!(rest >> stat.start_time)) return std::nullopt;
  return stat;
}

}  // namespace cardswap
