#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "agent/base/config.h"
#include "agent/process/job_user.h"
#include "agent/security/access.h"

namespace cardswap {

/// Checks that a caller may run a job as `user` (empty: as configured). The agent's owner may
/// choose any user. Everybody else, operators and other hosts' agents too, may choose the
/// --job-user, one of --job-users, or a member of --job-user-group who is in no group that is as
/// good as root; never root, unless --job-user is root. Without --job-user an agent that runs as
/// root refuses them all, because its own user is root. Throws Error{refused}.
void check_may_run_as(const Config& config, const std::string& user, const Caller& caller);

/// Whether a caller may send processes. CRIU restores them with the rights that they had, so
/// the sender can be root here. Allowed with --criu-trust-peers or --job-user root; without
/// --job-user, allowed for callers who are root anyway.
[[nodiscard]] bool may_bring_any_rights(const Config& config, const Caller& caller);

/// Takes --job-user, --job-users and --job-user-group as they were given, finds what they name and
/// makes `--job-user root` the word that it is. Throws Error{bad_request, refused}.
void settle_job_users(Config& config);

/// The groups whose members become root when they like: docker, disk, sudo and the like.
[[nodiscard]] const std::vector<std::string_view>& groups_like_root();
/// `user` without those groups among its further ones: the user of a job under --job-user.
[[nodiscard]] JobUser without_groups_like_root(JobUser user);

}  // namespace cardswap
