#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

namespace cardswap {

/// A user of this host, with the ids that the kernel needs.
struct JobUser {
  std::string name;
  std::string home;
  uid_t uid = 0;
  gid_t gid = 0;
  std::vector<gid_t> groups;
};

/// Looks a user up; may block as long as the host's user database. Throws Error{refused} if this
/// host has no such user or this process may not become it: only root may become another user.
[[nodiscard]] JobUser job_user(const std::string& name);

/// Makes this process that user for good: groups, then gid, then uid. Only async-signal-safe calls,
/// for use between fork and exec. False: errno says why.
[[nodiscard]] bool become_user(const JobUser& user) noexcept;

}  // namespace cardswap
