#include "agent/handover/hold_routes.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <boost/json.hpp>

#include "agent/base/validate.h"
#include "agent/handover/refuse_while_it_moves.h"
#include "migrator/base/error.h"

namespace cardswap {
namespace {

struct HoldContext {
  Jobs& jobs;
  const Migrations& migrations;
  RuntimeHub& hub;
  const Config& config;
};

/// Throws Error{conflict} unless the job can be told to stand at `step`, or to go on, and
/// Error{bad_request} for a step that it has passed.
void check_hold(const Job& job, std::uint64_t step, const Config& config) {
  const auto& first = job.first();
  if (!first.is_live() || job.newer_epoch != 0) {
    throw Error(Code::conflict,
                fmt::format("job {} does not run on {}", job.name(), config.host_name),
                "`cardswap jobs` tells where it is");
  }
  if (step == 0 && job.spec.hold_at == 0 && !first.held) {
    throw Error(Code::conflict, fmt::format("job {} is held at no step: it goes on", job.name()));
  }
  if (step != 0 && step <= first.record().step) {
    throw Error(Code::bad_request,
                fmt::format("job {} is at step {} already: it cannot be held at {}", job.name(),
                            first.record().step, step),
                "`cardswap restore JOB@STEP --hold` goes back to a step");
  }
}

/// What the order changes: "job gpt goes on from step 40 to step 62".
std::string told(const Job& job, std::uint64_t step) {
  const auto& held = job.first().held;
  if (step == 0 && !held) return fmt::format("job {} is to stand at no step any more", job.name());
  if (!held) return fmt::format("job {} is to stand at step {}", job.name(), step);
  return fmt::format("job {} goes on from step {}{}", job.name(), held->step,
                     step == 0 ? "" : fmt::format(" to step {}", step));
}

asio::awaitable<ApiResponse> resume(HoldContext parts, ApiRequest request) {
  request.only({"hold_at"});
  const auto step = validate::count("hold_at", request.number_or("hold_at", 0), validate::kStepMax);
  const auto& name = request.path.at("name");
  auto& job = parts.jobs.table().job_named(name);
  check_hold(job, step, parts.config);
  refuse_while_it_moves(name, parts.migrations.find_running(job.first()));
  const auto text = told(job, step);
  parts.jobs.table().set_hold(job, step);
  (void)parts.hub.send(job.first(), channel::HoldAt{step});
  spdlog::info("{}, by {}", text, request.caller.name);
  co_return ApiResponse{200, parts.jobs.shown(job.first())};
}

}  // namespace

void add_hold_routes(Router& router, Jobs& jobs, const Migrations& migrations, RuntimeHub& hub,
                     const Config& config) {
  const auto add = routes_on(router, HoldContext{jobs, migrations, hub, config});
  add("POST", "/v1/jobs/{name}/resume", resume);
}

}  // namespace cardswap
