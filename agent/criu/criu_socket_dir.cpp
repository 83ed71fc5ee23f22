#include "agent/criu/criu_socket_dir.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "agent/process/job_user.h"
#include "migrator/base/error.h"

namespace cardswap::criu {
namespace {

std::filesystem::path folder_of(const Config& config, const std::string& migration,
                                CriuSocketPeer with) {
  // Called ".keeper" on disk, because a newer agent must find what an older one left.
  return config.criu_socket_dir() /
         (migration + (with == CriuSocketPeer::custodian ? ".keeper" : ".holder"));
}

[[noreturn]] void fail(const char* doing, const std::filesystem::path& path) {
  throw Error(Code::io, fmt::format("{} {}: {}", doing, path.string(), std::strerror(errno)),
              "the folder below --data-dir has to be the agent's own");
}

void check_own(const std::filesystem::path& path) {
  struct stat about {};
  if (::lstat(path.c_str(), &about) != 0) fail("look at", path);
  errno = EPERM;
  if (!S_ISDIR(about.st_mode) || about.st_uid != ::geteuid()) fail("use", path);
}

}  // namespace

void prepare_criu_socket_dirs(const Config& config) {
  const auto all = config.criu_socket_dir();
  std::error_code error;
  std::filesystem::create_directories(all.parent_path(), error);
  (void)::mkdir(all.c_str(), 0711);  // not open to all for a moment, whatever the umask is
  check_own(all);
  if (::chmod(all.c_str(), 0711) != 0) fail("close", all);
  // Of moves that are over; and names that a former release let anybody make there.
  for (const auto& entry : std::filesystem::directory_iterator(all, error)) {
    std::error_code in_use;
    std::filesystem::remove(entry.path(), in_use);
  }
}

std::filesystem::path criu_socket(const Config& config, const std::string& migration,
                                  CriuSocketPeer with) {
  return folder_of(config, migration, with) / "s";  // a socket's path has 107 bytes at most
}

void make_criu_socket_dir(const Config& config, const std::string& migration, CriuSocketPeer with,
                          const std::string& user) {
  check_own(config.criu_socket_dir());
  remove_criu_socket_dir(config, migration, with);
  const auto folder = folder_of(config, migration, with);
  if (::mkdir(folder.c_str(), 0700) != 0) fail("make", folder);
  if (user.empty() || ::geteuid() != 0) return;
  const auto owner = job_user(user);
  if (::lchown(folder.c_str(), owner.uid, owner.gid) != 0) fail("give away", folder);
}

void remove_criu_socket_dir(const Config& config, const std::string& migration,
                            CriuSocketPeer with) noexcept {
  std::error_code gone;
  std::filesystem::remove_all(folder_of(config, migration, with), gone);
}

}  // namespace cardswap::criu
