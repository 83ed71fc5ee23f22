#include "agent/fleet/host_routes.h"

#include <unistd.h>

#include <boost/json.hpp>

#include "agent/base/json_fields.h"
#include "agent/devices/device_facts.h"

namespace cardswap {
namespace {

namespace json = boost::json;

asio::awaitable<ApiResponse> version(HostContext context, ApiRequest) {
  json::array warnings;
  for (const auto& warning : context.journal.warnings()) warnings.emplace_back(warning);
  if (!context.data_plane.warning().empty()) warnings.emplace_back(context.data_plane.warning());
  const auto up = std::chrono::steady_clock::now() - context.started;
  co_return ApiResponse{200, json::object{{"version", CARDSWAP_VERSION},
                                          {"api", 1},
                                          {"host", context.config.host_name},
                                          {"pid", ::getpid()},
                                          {"data_dir", context.config.data_dir.string()},
                                          {"uptime_ms", up / std::chrono::milliseconds(1)},
                                          {"warnings", warnings}}};
}

asio::awaitable<ApiResponse> devices(HostContext context, ApiRequest) {
  json::array list;
  for (const auto& device : context.devices.all()) {
    json::array names;
    for (const auto& name : device.jobs) names.emplace_back(name);
    const auto cordon = context.cordons.find(device.name);
    list.push_back(json::object{
        {"name", device.name},
        {"kind", device.kind},
        {"model", text_or_null(device.kind == "cpu" ? processor_model() : device.model)},
        {"uuid", text_or_null(device.kind == "cpu" ? device_uuid(device.name) : device.uuid)},
        {"total_bytes", device.total_bytes},
        {"free_bytes", device.free_bytes},
        {"reserved_bytes", device.reserved_bytes},
        {"jobs", names},
        {"cordoned", cordon.has_value()},
        {"unhealthy", !context.health.is_usable(device.name)},
        {"cordon_reason", text_or_null(cordon ? cordon->reason : "")}});
  }
  co_await context.criu.probe();
  co_return ApiResponse{200, json::object{{"host", context.config.host_name},
                                          {"devices", list},
                                          {"criu", to_json(context.criu)}}};
}

}  // namespace

void add_host_routes(Router& router, const HostContext& context) {
  const auto add = routes_on(router, context);
  add("GET", "/v1/version", version);
  add("GET", "/v1/devices", devices);
}

}  // namespace cardswap
