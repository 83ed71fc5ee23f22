#include "agent/process/log_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string>

#include "migrator/base/error.h"
#include "migrator/base/os_error.h"

namespace cardswap {
namespace {

constexpr int kFolder = O_RDONLY | O_DIRECTORY | O_CLOEXEC;

[[noreturn]] void fail(const std::filesystem::path& path, int why) {
  throw os_error(fmt::format("open {}", path.string()), why);
}
[[noreturn]] void refuse(const std::filesystem::path& path, const std::string& why) {
  throw Error(Code::refused, fmt::format("open {}: {}", path.string(), why),
              "look who made it, and move it away");
}

bool is_one_part(const std::string& name) {
  return !name.empty() && name != "." && name != ".." && name.find('/') == std::string::npos &&
         name.find('\0') == std::string::npos;
}

/// Nobody else may make or replace names in it. Root's can be passed by jobs' users, who know the
/// name of their log, and listed by nobody.
void close_to_others(const Descriptor& folder, const std::filesystem::path& path) {
  struct stat facts {};
  if (::fstat(folder.get(), &facts) != 0) fail(path, errno);
  const mode_t mode = ::geteuid() == 0 ? 0711 : 0700;
  // An agent of another user, in whose place this one is, made it.
  const bool to_take = ::geteuid() == 0 && facts.st_uid != 0;
  if (to_take && ::fchown(folder.get(), 0, 0) != 0) fail(path, errno);
  if (!to_take && facts.st_uid != ::geteuid()) refuse(path, "it is another user's folder");
  if ((to_take || (facts.st_mode & 07777) != mode) && ::fchmod(folder.get(), mode) != 0) {
    fail(path, errno);
  }
}

/// `path` itself may be the administrator's link to a larger disk: no one else could make it.
Descriptor folder_of_jobs(const std::filesystem::path& path) {
  if (::mkdir(path.c_str(), 0700) != 0 && errno != EEXIST) fail(path, errno);
  Descriptor folder(::open(path.c_str(), kFolder));
  if (!folder) fail(path, errno);
  close_to_others(folder, path);
  return folder;
}

/// The one that a log is in. The data folder itself may be behind a link of the administrator's.
Descriptor folder_of(const std::filesystem::path& log) {
  const auto where = log.parent_path();
  const bool of_a_job = where.parent_path().filename() == "jobs";
  return Descriptor(::open(where.c_str(), kFolder | (of_a_job ? O_NOFOLLOW : 0)));
}

}  // namespace

void make_job_folder(const std::filesystem::path& folder) {
  const auto name = folder.filename().string();
  if (!is_one_part(name)) refuse(folder, "that is no name of a folder");
  const auto jobs = folder_of_jobs(folder.parent_path());
  if (::mkdirat(jobs.get(), name.c_str(), 0700) != 0 && errno != EEXIST) fail(folder, errno);
  const Descriptor handle(::openat(jobs.get(), name.c_str(), kFolder | O_NOFOLLOW));
  if (!handle) fail(folder, errno);
  close_to_others(handle, folder);
}

Descriptor open_log(const std::filesystem::path& log, const std::optional<JobUser>& owner) {
  const auto name = log.filename().string();
  if (!is_one_part(name)) refuse(log, "that is no path of a log");
  const auto where = log.parent_path();
  const auto folder = folder_of(log);
  if (!folder) fail(where, errno);
  constexpr int kAppend = O_WRONLY | O_APPEND | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK;
  Descriptor file(::openat(folder.get(), name.c_str(), kAppend | O_CREAT | O_EXCL, 0600));
  const bool made = static_cast<bool>(file);
  if (!made && errno != EEXIST) fail(log, errno);
  if (!made) file = Descriptor(::openat(folder.get(), name.c_str(), kAppend));
  struct stat facts {};
  if (!file || ::fstat(file.get(), &facts) != 0) fail(log, errno);
  const bool known = facts.st_uid == ::geteuid() || (owner && facts.st_uid == owner->uid);
  if (!S_ISREG(facts.st_mode) || facts.st_nlink != 1 || !known) {
    refuse(log, "it is there already, and is no log of this job");
  }
  if (::fchmod(file.get(), 0600) != 0) fail(log, errno);
  const bool to_give = made && owner && ::geteuid() == 0;
  if (to_give && ::fchown(file.get(), owner->uid, owner->gid) != 0) fail(log, errno);
  if (::fcntl(file.get(), F_SETFL, O_APPEND) != 0) fail(log, errno);  // writes may wait again
  return file;
}

Descriptor open_old_log(const std::filesystem::path& log, int how) {
  const auto name = log.filename().string();
  if (!is_one_part(name)) refuse(log, "that is no path of a log");
  const auto folder = folder_of(log);
  if (!folder && errno == ENOENT) return {};
  struct stat place {};
  if (!folder || ::fstat(folder.get(), &place) != 0) fail(log.parent_path(), errno);
  Descriptor file(
      ::openat(folder.get(), name.c_str(), how | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY));
  if (!file && errno == ENOENT) return {};
  if (!file && (errno == ELOOP || errno == ENXIO))
    refuse(log, "it is no log but a link or a socket");
  struct stat facts {};
  if (!file || ::fstat(file.get(), &facts) != 0) fail(log, errno);
  const bool closed = place.st_uid == ::geteuid() && (place.st_mode & 022) == 0;
  const bool known = closed || facts.st_uid == place.st_uid || facts.st_uid == ::geteuid();
  if (!S_ISREG(facts.st_mode) || facts.st_nlink != 1 || !known) {
    refuse(log, "it is no log of this job");
  }
  return file;
}

}  // namespace cardswap
