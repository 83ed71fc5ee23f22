#include "agent/handover/restore_routes.h"

#include <boost/json.hpp>
#include <utility>

#include "agent/base/validate.h"
#include "agent/jobs/user_policy.h"

namespace cardswap {
namespace {

constexpr std::size_t kManifestDigits = 64;

RestoreOrder restore_order_from(const ApiRequest& request) {
  request.only({"name", "argv", "cwd", "env", "device", "restart", "user", "arrive", "branch",
                "store", "manifest", "epoch", "hold_at", "again_until", "log_step", "log_branch"});
  RestoreOrder order;
  order.spec = job_spec_from(request.body);
  order.device = device_from(request.body);
  read_snapshot_fields(request, order);
  order.spec.restored_from = order.manifest;
  order.spec.fallback_store = order.store;  // should it fail, it goes on from there
  return order;
}

asio::awaitable<ApiResponse> restore(RestoreContext parts, ApiRequest request) {
  auto order = restore_order_from(request);
  (void)parts.jobs.devices().at(order.device);
  check_may_run_as(parts.config, order.spec.user, request.caller);
  const auto id = co_await start_restore(parts, std::move(order));
  co_return ApiResponse{202, to_json(parts.migrations.at(id))};
}

}  // namespace

void read_snapshot_fields(const ApiRequest& request, RestoreOrder& order) {
  order.store = request.text("store");
  order.manifest = request.text("manifest");
  validate::check(validate::is_store(order.store), "store", "address of a store");
  validate::check(order.manifest.size() == kManifestDigits && validate::is_word(order.manifest),
                  "manifest", "id of a manifest");
  order.epoch = validate::count("epoch", request.number_or("epoch", 0), validate::kEpochMax);
  order.log.step =
      validate::count("log_step", request.number_or("log_step", 0), validate::kStepMax);
  if (order.log.step == 0) return;
  order.log.branch = request.text("log_branch");
  validate::check(validate::is_job_name(order.log.branch), "log_branch", "name of a branch");
}

void add_restore_routes(Router& router, Jobs& jobs, Migrations& migrations, TaskGroup& tasks,
                        const Config& config) {
  routes_on(router, RestoreContext{jobs, migrations, tasks, config})("POST", "/v1/restores",
                                                                     restore);
}

}  // namespace cardswap
