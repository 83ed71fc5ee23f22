#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "agent/base/config.h"
#include "agent/process/user.h"
#include "agent/security/access.h"

namespace cardswap {

/// Whether a caller may have a job run as `user` (empty: as the agent is set up). Who owns the
/// agent may anything. For everybody else, operators and other hosts' agents alike, it is the
/// --job-user, one of --job-users, or a member of --job-user-group who is in no group that is as
/// good as root; and never root, unless --job-user says so. Without --job-user an agent that is
/// root starts nothing of its own user for them: that would be root. Throws Error{refused}.
void check_may_run_as(const Config& config, const std::string& user, const Caller& caller);

/// Whether a caller may send processes, which CRIU restores with whatever rights they bring: that
/// is to be root here. With --criu-trust-peers or --job-user root; else where there is no
/// --job-user, for who is root anyway.
[[nodiscard]] bool may_bring_any_rights(const Config& config, const Caller& caller);

/// Takes --job-user, --job-users and --job-user-group as they were given, finds what they name and
/// makes `--job-user root` the word that it is. Throws Error{bad_request, refused}.
void settle_job_users(Config& config);

/// The groups whose members become root when they like: docker, disk, sudo and the like.
[[nodiscard]] const std::vector<std::string_view>& groups_like_root();
/// `user` without those among its further groups. As whom a job runs where --job-user is given.
[[nodiscard]] JobUser without_groups_like_root(JobUser user);

}  // namespace cardswap
