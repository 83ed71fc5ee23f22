#include "agent/handover/rollback_routes.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <chrono>
#include <utility>
#include <vector>

#include "agent/base/validate.h"
#include "agent/handover/restore_routes.h"
#include "agent/handover/snapshot_check.h"
#include "agent/jobs/user_policy.h"
#include "migrator/base/error.h"

namespace cardswap {
namespace {

constexpr double kGraceDefaultMs = 10'000;
constexpr std::uint64_t kGraceMaxMs = 3'600'000;

/// The job, if it may be stopped and started again now. The reference is valid until the next wait.
const Job& rollable(const RestoreContext& parts, const std::string& name) {
  const auto* job = parts.jobs.table().find(name);
  if (job == nullptr) {
    throw Error(Code::not_found,
                fmt::format("there is no job '{}' on {}", name, parts.config.host_name),
                "`cardswap restore` starts a job from a snapshot where there is none");
  }
  const auto& first = job->first();
  if (first.state() == InstanceState::moved || job->newer_epoch != 0) {
    throw Error(Code::conflict,
                fmt::format("job {} is not on {} any more", name, parts.config.host_name),
                "ask the agent where it is; `cardswap jobs` says where that is");
  }
  if (job->instances.size() != 1 || job->world_size != 1) {
    throw Error(Code::refused, fmt::format("job {} has several ranks", name));
  }
  const auto* running = parts.migrations.find_running(first);
  if (running != nullptr && !running->yields_to_moves) {
    throw Error(Code::conflict, fmt::format("job {} is in migration {}", name, running->id()),
                "wait for it, or `cardswap cancel " + running->id() + "`");
  }
  parts.jobs.check_stop(*job);
  return *job;
}

RestoreOrder order_from(const ApiRequest& request) {
  RestoreOrder order;
  read_snapshot_fields(request, order);
  order.spec.branch = request.text("branch");
  validate::check(validate::is_job_name(order.spec.branch), "branch", "name of a branch");
  order.spec.again_until =
      validate::count("again_until", request.number_or("again_until", 0), validate::kStepMax);
  return order;
}

/// The check of the snapshot, with the rights that the job's program has.
SnapshotCheck check_of(const RestoreContext& parts, const Job& job, const RestoreOrder& order) {
  return {order.store, order.manifest, job.name(), user_of_job(parts.config, job.spec.user)};
}

/// Of a job that has ended, only its last saved step is known.
void check_passed(const Job& job, std::uint64_t step) {
  const auto at = job.first().record().step;
  if (!job.is_live() || step <= at) return;
  throw Error(
      Code::bad_request,
      fmt::format("job {} is at step {}: it cannot go back to step {}", job.name(), at, step),
      "choose a step that it has passed");
}

/// Completes the order from the job that is stopped for it. A new uid: the new run is another job
/// to whoever knows the old one.
void take_over(RestoreOrder& order, const Job& job) {
  auto spec = job.spec;
  spec.uid.clear();
  spec.branch = order.spec.branch;
  spec.again_until = order.spec.again_until;
  spec.hold_at = 0;
  spec.restored_from = order.manifest;
  spec.fallback_store = order.store;
  spec.fallback_first = 0;
  order.spec = std::move(spec);
  order.device = job.first().device();
  order.epoch = std::max<std::uint64_t>(order.epoch, job.epoch);
}

asio::awaitable<ApiResponse> roll_back(RestoreContext parts, ApiRequest request) {
  request.only({"store", "manifest", "epoch", "branch", "grace_ms", "again_until", "log_step",
                "log_branch"});
  auto order = order_from(request);
  const auto grace = std::chrono::milliseconds(
      validate::count("grace_ms", request.number_or("grace_ms", kGraceDefaultMs), kGraceMaxMs));
  const auto name = request.path.at("name");
  check_passed(rollable(parts, name), std::max(order.spec.again_until, order.log.step));
  auto check = check_of(parts, rollable(parts, name), order);
  check_may_run_as(parts.config, rollable(parts, name).spec.user, request.caller);
  co_await check_snapshot_whole(std::move(check));
  (void)rollable(parts, name);  // it trained on meanwhile
  co_await parts.migrations.make_way(name);
  const auto& job = rollable(parts, name);
  take_over(order, job);
  const auto instance = job.first().id();
  const bool was_live = job.first().is_live();
  spdlog::info("job {} goes back, as branch {}, by {}", name, order.spec.branch,
               request.caller.name);
  if (was_live) (void)co_await parts.jobs.processes().stop(instance, grace);
  const auto snapshot = order.manifest;
  try {
    const auto id = co_await start_restore(parts, std::move(order));
    co_return ApiResponse{202, to_json(parts.migrations.at(id))};
  } catch (const Error& error) {
    if (parts.tasks.is_stopping()) throw;
    throw Error(error.code(),
                fmt::format("job {} is stopped, and could not be started from the snapshot: {}",
                            name, error.failure()),
                fmt::format("{}{}`cardswap restore` tries it again (manifest {})", error.hint(),
                            error.hint().empty() ? "" : "; ", snapshot.substr(0, 12)));
  }
}

}  // namespace

void add_rollback_routes(Router& router, Jobs& jobs, Migrations& migrations, TaskGroup& tasks,
                         const Config& config) {
  routes_on(router, RestoreContext{jobs, migrations, tasks, config})(
      "POST", "/v1/jobs/{name}/rollback", roll_back);
}

}  // namespace cardswap
