#include "agent/jobs/user_policy.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <grp.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <optional>

#include "migrator/base/error.h"

namespace cardswap {
namespace {

std::optional<gid_t> group_named(const std::string& name) {
  std::array<char, 65536> room{};
  struct group entry {};
  struct group* found = nullptr;
  ::getgrnam_r(name.c_str(), &entry, room.data(), room.size(), &found);
  if (found == nullptr) return std::nullopt;
  return found->gr_gid;
}

bool is_in(const JobUser& user, gid_t group) {
  return user.gid == group ||
         std::find(user.groups.begin(), user.groups.end(), group) != user.groups.end();
}

/// The first group of `user` that is as good as root; empty: none.
std::string_view power_of(const JobUser& user) {
  for (const auto name : groups_like_root()) {
    const auto group = group_named(std::string(name));
    if (group && is_in(user, *group)) return name;
  }
  return {};
}

bool is_named(const Config& config, const std::string& user) {
  return user == config.job_user || std::find(config.job_users.begin(), config.job_users.end(),
                                              user) != config.job_users.end();
}

/// Checks a user that the administrator named. It must not be root, which only --job-user root may
/// name; and its primary group, which every file of its jobs gets, must not be as good as root.
void check_named(const std::string& option, const std::string& name) {
  const auto user = job_user(name);
  if (user.uid == 0) {
    throw Error(Code::bad_request, fmt::format("{}: {} is root", option, name),
                "--job-user root alone says that jobs run as root here");
  }
  auto primary = user;
  primary.groups.clear();
  if (const auto group = power_of(primary); !group.empty()) {
    throw Error(Code::bad_request,
                fmt::format("{}: the primary group of {} is {}, whose members become root", option,
                            name, group),
                "give the user a group of its own: usermod --gid");
  }
}

/// Refuses a user in the --api-group: its jobs could act as operators here.
void check_is_no_operator(const Config& config, const std::string& option,
                          const std::string& name) {
  const auto group = group_named(config.api_group);
  if (!group || !is_in(job_user(name), *group)) return;
  throw Error(Code::refused,
              fmt::format("{}: {} is in {}, the --api-group, so each of its jobs could act as an "
                          "operator here",
                          option, name, config.api_group),
              fmt::format("take it out of the group (gpasswd -d {} {}), or give another "
                          "--api-group",
                          name, config.api_group));
}

}  // namespace

const std::vector<std::string_view>& groups_like_root() {
  static const std::vector<std::string_view> all{
      "root",        "sudo",    "wheel",    "admin",      "docker", "podman", "lxd", "incus",
      "incus-admin", "libvirt", "microk8s", "containerd", "disk",   "shadow", "kmem"};
  return all;
}

JobUser without_groups_like_root(JobUser user) {
  for (const auto name : groups_like_root()) {
    const auto group = group_named(std::string(name));
    if (group && *group != user.gid) std::erase(user.groups, *group);
  }
  return user;
}

std::optional<JobUser> user_of_job(const Config& config, const std::string& named) {
  const auto& name = named.empty() ? config.job_user : named;
  if (name.empty()) return std::nullopt;
  auto user = job_user(name);
  if (config.job_user.empty()) return user;
  return without_groups_like_root(std::move(user));
}

void check_may_run_as(const Config& config, const std::string& user, const Caller& caller) {
  if (caller.owner || config.root_jobs) return;
  // An agent that is not root becomes nobody else: job_user() sees to it.
  if (config.job_user.empty() && ::geteuid() != 0) return;
  // Root itself, over loopback and without TLS: it has the unix socket too.
  if (config.job_user.empty() && caller.uid == 0U) return;
  const auto refuse = [&](const std::string& why, const std::string& hint) {
    throw Error(Code::refused,
                fmt::format("{} may not run jobs as {} here: {}", caller.name,
                            user.empty() ? "root" : user, why),
                hint);
  };
  if (user.empty() && config.job_user.empty()) {
    refuse("this agent is root and has no --job-user",
           "start cardswapd with --job-user NAME; --job-user root where root is meant");
  }
  if (user.empty() || user == config.job_user) return;
  const auto found = job_user(user);
  const auto hint =
      config.job_user.empty()
          ? fmt::format("start cardswapd with --job-user NAME or --job-users {}", user)
          : fmt::format(
                "leave --user out: jobs of this agent run as {}; or start cardswapd with "
                "--job-users {}",
                config.job_user, user);
  if (found.uid == 0) refuse("it is root", "leave --user out");
  if (found.uid == ::geteuid()) refuse("it is the agent's own user", "leave --user out");
  if (is_named(config, user)) return;
  const auto group =
      config.job_user_group.empty() ? std::nullopt : group_named(config.job_user_group);
  if (!group || !is_in(found, *group)) refuse("nobody allowed it", hint);
  const auto operators = config.api_group.empty() ? std::nullopt : group_named(config.api_group);
  if (operators && is_in(found, *operators)) {
    refuse(fmt::format("its group {} is the --api-group", config.api_group), hint);
  }
  if (const auto power = power_of(found); !power.empty()) {
    refuse(fmt::format("its group {} is as good as root", power), hint);
  }
}

bool may_bring_any_rights(const Config& config, const Caller& caller) {
  if (config.criu_trust_peers || config.root_jobs) return true;
  return config.job_user.empty() && (caller.owner || caller.uid == 0U || ::geteuid() != 0);
}

void resolve_job_users(Config& config) {
  if (!config.job_user.empty() && job_user(config.job_user).uid == 0) {
    config.root_jobs = true;
    config.job_user.clear();
  }
  if (!config.job_user.empty() && ::geteuid() == 0) check_named("--job-user", config.job_user);
  for (const auto& name : config.job_users) check_named("--job-users", name);
  if (!config.api_group.empty() && ::geteuid() == 0) {
    if (!config.job_user.empty()) check_is_no_operator(config, "--job-user", config.job_user);
    for (const auto& name : config.job_users) check_is_no_operator(config, "--job-users", name);
  }
  if (!config.job_user_group.empty() && !group_named(config.job_user_group)) {
    throw Error(Code::bad_request,
                fmt::format("--job-user-group: there is no group '{}'", config.job_user_group),
                "create it with groupadd, or leave it out");
  }
}

}  // namespace cardswap
