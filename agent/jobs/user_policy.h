#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/base/config.h"
#include "agent/process/job_user.h"
#include "agent/security/access.h"

namespace cardswap {

/// Checks that a caller may run a job as `user` (empty: as configured). The agent's owner may
/// choose any user, and with --job-user root every caller may. Every other caller, operators and
/// other hosts' agents too, may choose the --job-user, one of --job-users, or a member of
/// --job-user-group who is in no group that is as good as root. Without --job-user, an agent that
/// runs as root starts nothing for a caller who names no user, except for root itself: its own user
/// is root. A caller who names one of --job-users, or of --job-user-group, is accepted as above. An
/// agent that does not run as root accepts every user here, because job_user() refuses all but its
/// own. Throws Error{refused}.
void check_may_run_as(const Config& config, const std::string& user, const Caller& caller);

/// Whether a caller may send a process for CRIU to restore. It is restored with the rights that it
/// had, so that the sender can be root here. Allowed with --criu-trust-peers or --job-user root.
/// Else only without --job-user, and then for the agent's owner, for root, and for every caller of
/// an agent that does not run as root.
[[nodiscard]] bool may_bring_any_rights(const Config& config, const Caller& caller);

/// Checks --job-user, --job-users and --job-user-group: that the users and the group exist and give
/// jobs no rights of root or of operators. Turns `--job-user root` into Config::root_jobs. Throws
/// Error{bad_request, refused}.
void resolve_job_users(Config& config);

/// The groups whose members can become root: docker, disk, sudo and others.
[[nodiscard]] const std::vector<std::string_view>& groups_like_root();
/// `user` without those groups among its supplementary groups: the user of a job under --job-user.
[[nodiscard]] JobUser without_groups_like_root(JobUser user);
/// The user that the processes of a job become which names the user `named` (empty: none): that one
/// or --job-user, and under --job-user without those groups. Nullopt: they stay the agent's own
/// user. Throws as job_user().
[[nodiscard]] std::optional<JobUser> user_of_job(const Config& config, const std::string& named);

}  // namespace cardswap
