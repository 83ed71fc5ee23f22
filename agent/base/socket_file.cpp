#include "agent/base/socket_file.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "migrator/base/error.h"
#include "migrator/base/os_error.h"

namespace cardswap {

void remove_old_socket(const std::filesystem::path& path, const std::string& hint) {
  struct stat about {};
  if (::lstat(path.c_str(), &about) != 0) return;  // bind() says it if the folder cannot be read
  if (!S_ISSOCK(about.st_mode)) {
    throw Error(Code::refused, fmt::format("{} is there and is not a socket", path.string()), hint);
  }
  if (::unlink(path.c_str()) != 0 && errno != ENOENT) throw os_error("remove " + path.string());
}

}  // namespace cardswap
