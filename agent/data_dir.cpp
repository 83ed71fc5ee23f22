#include "agent/data_dir.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "agent/base/path_trust.h"
#include "migrator/base/error.h"

namespace cardswap {
namespace {

/// Takes the group's right to write away: a user with a private group makes folders with that
/// right.
void close_to_own_group(const std::filesystem::path& dir) {
  struct stat facts {};
  if (::lstat(dir.c_str(), &facts) != 0 || !S_ISDIR(facts.st_mode)) return;
  const bool ours = facts.st_uid == ::geteuid() && facts.st_gid == ::getegid();
  if (ours && (facts.st_mode & S_IWOTH) == 0) ::chmod(dir.c_str(), facts.st_mode & 07755U);
}

/// Refuses an entry that another user may have created, to make the agent write elsewhere.
void check_entry(const std::filesystem::path& entry) {
  struct stat facts {};
  if (::lstat(entry.c_str(), &facts) != 0) return;  // not there yet
  const auto refuse = [&](const std::string& why) {
    throw Error(Code::refused, fmt::format("{} {}", entry.string(), why),
                "look at who made it; remove it, or choose another --data-dir");
  };
  if (facts.st_uid != ::geteuid() && facts.st_uid != 0) {
    refuse(fmt::format("belongs to uid {}", facts.st_uid));
  }
  if (S_ISREG(facts.st_mode) && facts.st_nlink > 1) refuse("has another name elsewhere");
  if (!S_ISLNK(facts.st_mode)) return;
  // A link of our own to a larger disk is a way to set a host up; a file's is not.
  struct stat target {};
  if (::stat(entry.c_str(), &target) != 0 || !S_ISDIR(target.st_mode)) refuse("is a link");
  if (const auto other = untrusted_part_of(entry); !other.empty())
    refuse("is a link, and " + other);
}

}  // namespace

void take_data_dir(const Config& config) {
  const auto& dir = config.data_dir;
  std::error_code error;
  std::filesystem::create_directories(dir.parent_path(), error);
  if (!error && ::mkdir(dir.c_str(), 0755) != 0 && errno != EEXIST) {
    error.assign(errno, std::generic_category());
  }
  if (error) {
    throw Error(Code::io, fmt::format("make {}: {}", dir.string(), error.message()),
                "choose a --data-dir that this user may write");
  }
  close_to_own_group(dir);
  if (const auto other = untrusted_part_of(dir); !other.empty()) {
    throw Error(Code::refused,
                fmt::format("the data folder {} is not this user's alone: {}", dir.string(), other),
                "choose a --data-dir in a folder that only this user and root may write");
  }
  struct stat facts {};
  if (::stat(dir.c_str(), &facts) != 0 || facts.st_uid != ::geteuid()) {
    throw Error(
        Code::refused,
        fmt::format("the data folder {} belongs to uid {}, not to this agent's user", dir.string(),
                    facts.st_uid),
        fmt::format("chown -R {} {}, or choose another --data-dir", ::geteuid(), dir.string()));
  }
  // Jobs of other users reach their socket through it, and read nothing else.
  if (::geteuid() == 0) ::chmod(dir.c_str(), 0711);
  for (const auto* name :
       {"lock", "journal.db", "journal.db-wal", "journal.db-shm", "agent.json", "agent.json.new",
        "jobs", "handover", "predictions.json", "predictions.json.new"}) {
    check_entry(dir / name);
  }
  close_to_own_group(dir / "jobs");
  const auto path = dir / "lock";
  const int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (fd < 0) {
    throw Error(Code::io, fmt::format("open {}: {}", path.string(), std::strerror(errno)),
                "choose a --data-dir that this user may write");
  }
  if (::flock(fd, LOCK_EX | LOCK_NB) != 0) {
    throw Error(Code::conflict, fmt::format("another cardswapd uses {}", dir.string()),
                "stop it, or choose another --data-dir");
  }
}

}  // namespace cardswap
