#include "agent/handover/restore_routes.h"

#include <boost/json.hpp>
#include <utility>

#include "agent/base/validate.h"

namespace cardswap {
namespace {

constexpr std::size_t kIdBytes = 64;

RestoreRequest restore_request_from(const ApiRequest& request) {
  // No "restart": it would start the program at its step 0 when the stand-in ends.
  request.only(
      {"name", "argv", "cwd", "env", "device", "user", "arrive", "store", "manifest", "epoch"});
  RestoreRequest wanted;
  wanted.spec = job_spec_from(request.body);
  wanted.device = device_from(request.body);
  wanted.store = request.text("store");
  wanted.manifest = request.text("manifest");
  validate::check(validate::is_store(wanted.store), "store", "address of a store");
  validate::check(wanted.manifest.size() == kIdBytes && validate::is_word(wanted.manifest),
                  "manifest", "id of a manifest");
  wanted.epoch = validate::count("epoch", request.number_or("epoch", 0), validate::kEpochMax);
  return wanted;
}

asio::awaitable<ApiAnswer> restore(RestoreParts parts, ApiRequest request) {
  const auto id =
      co_await start_restore(parts, restore_request_from(request), request.caller);
  co_return ApiAnswer{202, to_json(parts.migrations.at(id))};
}

}  // namespace

void add_restore_calls(Router& router, Jobs& jobs, Migrations& migrations, TaskGroup& tasks,
                       const Config& config) {
  calls_on(router, RestoreParts{jobs, migrations, tasks, config})("POST", "/v1/restores", restore);
}

}  // namespace cardswap
