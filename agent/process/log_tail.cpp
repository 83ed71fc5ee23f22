#include "agent/process/log_tail.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "agent/process/log_file.h"
#include "migrator/base/descriptor.h"
#include "migrator/base/error.h"
#include "migrator/base/utf8.h"

namespace cardswap {

std::string log_tail(const std::filesystem::path& log) {
  constexpr std::size_t kBytes = 400;
  Descriptor file;
  try {
    file = Descriptor(open_old_log(log, O_RDONLY));
  } catch (const Error&) {
    return {};  // somebody replaced the log: its text is not the program's
  }
  const auto size = file ? ::lseek(file.get(), 0, SEEK_END) : 0;
  if (size <= 0) return {};
  std::string text(kBytes, '\0');
  const auto got = ::pread(file.get(), text.data(), text.size(),
                           std::max<off_t>(0, size - static_cast<off_t>(text.size())));
  text.resize(static_cast<std::size_t>(std::max<ssize_t>(got, 0)));
  while (!text.empty() && text.back() == '\n') text.pop_back();
  for (auto& c : text) c = c == '\n' ? '|' : c;
  return as_utf8(std::move(text));
}

}  // namespace cardswap
