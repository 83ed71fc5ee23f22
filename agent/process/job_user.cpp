#include "agent/process/job_user.h"

#include <fmt/format.h>
#include <grp.h>
#include <pwd.h>
#include <unistd.h>

#include <array>

#include "migrator/base/error.h"

namespace cardswap {

JobUser job_user(const std::string& name) {
  std::array<char, 16384> room{};
  passwd entry{};
  passwd* found = nullptr;
  ::getpwnam_r(name.c_str(), &entry, room.data(), room.size(), &found);
  if (found == nullptr) {
    throw Error(Code::refused, fmt::format("there is no user '{}' on this host", name),
                "a job runs under the same user name wherever it goes: create it here");
  }
  JobUser user{.name = name,
               .home = found->pw_dir,
               .uid = found->pw_uid,
               .gid = found->pw_gid,
               .groups = {}};
  if (::geteuid() != 0 && user.uid != ::geteuid()) {
    throw Error(
        Code::refused,
        fmt::format("this agent runs as uid {} and cannot start a job as {}", ::geteuid(), name),
        "start cardswapd as root, or leave --user out");
  }
  int count = 64;
  user.groups.resize(static_cast<std::size_t>(count));
  if (::getgrouplist(name.c_str(), user.gid, user.groups.data(), &count) < 0) {
    user.groups.resize(static_cast<std::size_t>(count));
    ::getgrouplist(name.c_str(), user.gid, user.groups.data(), &count);
  }
  user.groups.resize(static_cast<std::size_t>(count));
  return user;
}

bool become_user(const JobUser& user) noexcept {
  if (::geteuid() != 0) return true;  // it is that user already: job_user() saw to it
  return ::setgroups(user.groups.size(), user.groups.data()) == 0 &&
         ::setresgid(user.gid, user.gid, user.gid) == 0 &&
         ::setresuid(user.uid, user.uid, user.uid) == 0;
}

}  // namespace cardswap
