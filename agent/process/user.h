#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

namespace cardswap {

/// A user of this host as the kernel knows one.
struct JobUser {
  std::string name;
  std::string home;
  uid_t uid = 0;
  gid_t gid = 0;
  std::vector<gid_t> groups;
};

/// Throws Error{refused} when this host has no such user, or this process may not become it: only
/// root may become somebody else.
[[nodiscard]] JobUser job_user(const std::string& name);

/// What this process has to do, between fork and exec, to be that user for good: groups, then gid,
/// then uid. Only calls that are allowed there; false with errno set.
[[nodiscard]] bool become_user(const JobUser& user) noexcept;

}  // namespace cardswap
