#include "agent/snapshots/protection_routes.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <boost/json.hpp>
#include <optional>
#include <utility>

#include "agent/handover/refuse_while_it_moves.h"
#include "migrator/base/error.h"

namespace cardswap::snapshots {
namespace {

namespace json = boost::json;

struct ProtectionContext {
  Jobs& jobs;
  const Migrations& migrations;
  const Config& config;
};

/// The reference is valid until the next wait.
Job& job_at(const ProtectionContext& context, const ApiRequest& request) {
  return context.jobs.table().job_named(request.path.at("name"));
}

void refuse_what_cannot_be_kept(const ProtectionContext& context, const Job& job) {
  const auto& first = job.first();
  if (!first.is_live() || job.newer_epoch != 0) {
    throw Error(Code::conflict,
                fmt::format("job {} does not run on {}", job.name(), context.config.host_name),
                "only a running job can be protected; `cardswap jobs` tells where it is");
  }
  if (job.world_size != 1) {
    throw Error(Code::refused, fmt::format("job {} has {} ranks: only a job of one rank has "
                                           "snapshots",
                                           job.name(), job.world_size));
  }
  if (!context.config.has_port()) {
    throw Error(Code::refused,
                fmt::format("the agent of {} has no TCP port: it cannot take snapshots",
                            context.config.host_name),
                "start cardswapd with --listen ADDRESS:PORT; 127.0.0.1 is enough");
  }
}

/// A log has gradients: only what an optimizer makes of them can be made again.
void refuse_what_cannot_be_logged(const Job& job) {
  const auto& first = job.first();
  if (!first.reported && first.record().update_bytes == 0) {
    throw Error(Code::conflict, fmt::format("job {} has not said yet what it tracks", job.name()),
                "ask again after its first step");
  }
  if (first.record().update_bytes != 0) return;
  throw Error(Code::refused,
              fmt::format("job {} has no gradient log: it tracks no optimizer whose steps can be "
                          "taken again from their gradients",
                          job.name()),
              "`cardswap jobs " + job.name() +
                  " --state` lists what it tracks; without --log it is protected by snapshots");
}

asio::awaitable<ApiResponse> protect(ProtectionContext context, ApiRequest request) {
  request.only({"every_steps", "every_ms", "auto", "mtbf_ms", "store", "keep", "grace_ms", "log",
                "window_steps", "window_bytes"});
  auto order = protection_in(json::object{{"protection", request.body}});
  auto& job = job_at(context, request);
  refuse_what_cannot_be_kept(context, job);
  if (order && order->log != channel::LogMode::off) refuse_what_cannot_be_logged(job);
  refuse_while_it_moves(job.name(), context.migrations.find_running(job.first()));
  const auto store = order ? order->store : std::string();
  context.jobs.table().set_protection(job, std::move(order));
  spdlog::info("job {} is protected in {}, by {}", job.name(), store, request.caller.name);
  co_return ApiResponse{200, context.jobs.shown(job.first())};
}

asio::awaitable<ApiResponse> unprotect(ProtectionContext context, ApiRequest request) {
  auto& job = job_at(context, request);
  refuse_while_it_moves(job.name(), context.migrations.find_running(job.first()));
  if (job.spec.protection) {
    context.jobs.table().set_protection(job, std::nullopt);
    spdlog::info("job {} is not protected any more, by {}", job.name(), request.caller.name);
  }
  co_return ApiResponse{200, context.jobs.shown(job.first())};
}

}  // namespace

void add_protection_routes(Router& router, Jobs& jobs, const Migrations& migrations,
                           const Config& config) {
  const auto add = routes_on(router, ProtectionContext{jobs, migrations, config});
  add("POST", "/v1/jobs/{name}/protection", protect);
  add("DELETE", "/v1/jobs/{name}/protection", unprotect);
}

}  // namespace cardswap::snapshots
