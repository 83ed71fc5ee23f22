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
Job& job_at(const ProtectionContext& parts, const ApiRequest& request) {
  return parts.jobs.table().job_named(request.path.at("name"));
}

void refuse_what_cannot_be_kept(const ProtectionContext& parts, const Job& job) {
  const auto& first = job.first();
  if (!first.is_live() || job.newer_epoch != 0) {
    throw Error(Code::conflict,
                fmt::format("job {} does not run on {}", job.name(), parts.config.host_name),
                "only a running job can be protected; `cardswap jobs` tells where it is");
  }
  if (job.world_size != 1) {
    throw Error(Code::refused, fmt::format("job {} has {} ranks: only a job of one rank has "
                                           "snapshots",
                                           job.name(), job.world_size));
  }
  if (!parts.config.has_port()) {
    throw Error(Code::refused,
                fmt::format("the agent of {} has no TCP port: it cannot take snapshots",
                            parts.config.host_name),
                "start cardswapd with --listen ADDRESS:PORT; 127.0.0.1 is enough");
  }
}

asio::awaitable<ApiResponse> protect(ProtectionContext parts, ApiRequest request) {
  request.only({"every_steps", "every_ms", "auto", "mtbf_ms", "store", "keep", "grace_ms"});
  auto order = protection_in(json::object{{"protection", request.body}});
  auto& job = job_at(parts, request);
  refuse_what_cannot_be_kept(parts, job);
  refuse_while_it_moves(job.name(), parts.migrations.find_running(job.first()));
  const auto store = order ? order->store : std::string();
  parts.jobs.table().set_protection(job, std::move(order));
  spdlog::info("job {} is protected in {}, by {}", job.name(), store, request.caller.name);
  co_return ApiResponse{200, parts.jobs.shown(job.first())};
}

asio::awaitable<ApiResponse> unprotect(ProtectionContext parts, ApiRequest request) {
  auto& job = job_at(parts, request);
  refuse_while_it_moves(job.name(), parts.migrations.find_running(job.first()));
  if (job.spec.protection) {
    parts.jobs.table().set_protection(job, std::nullopt);
    spdlog::info("job {} is not protected any more, by {}", job.name(), request.caller.name);
  }
  co_return ApiResponse{200, parts.jobs.shown(job.first())};
}

}  // namespace

void add_protection_routes(Router& router, Jobs& jobs, const Migrations& migrations,
                           const Config& config) {
  const auto add = routes_on(router, ProtectionContext{jobs, migrations, config});
  add("POST", "/v1/jobs/{name}/protection", protect);
  add("DELETE", "/v1/jobs/{name}/protection", unprotect);
}

}  // namespace cardswap::snapshots
