#include "agent/fleet/fleet_routes.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <boost/json.hpp>

namespace cardswap {
namespace {

namespace asio = boost::asio;
namespace json = boost::json;

constexpr std::size_t kTextMax = 1000;

std::string short_text(const ApiRequest& request, std::string_view field) {
  auto text = request.text_or(field, "");
  if (text.size() > kTextMax) {
    throw Error(Code::bad_request,
                fmt::format("the field '{}' has more than {} bytes", field, kTextMax));
  }
  return text;
}

/// Throws Error{conflict} if the cordon was set for another reason than `reason`.
void check_is_theirs(const Cordons& cordons, const std::string& device, const std::string& reason,
                     const std::string& host) {
  const auto found = cordons.all().find(device);
  if (found == cordons.all().end() || found->second.reason == reason) return;
  const auto& cordon = found->second;
  throw Error(Code::conflict,
              fmt::format("{} by {}, not for '{}'", to_string(cordon, host),
                          cordon.by.empty() ? "somebody" : cordon.by, reason),
              "ask there; `cardswap uncordon` without a reason lifts any cordon");
}

/// Who asked: the name that the caller has proved; if it has proved none, also the name that it
/// gives itself.
std::string who(const Caller& caller, const std::string& said) {
  const bool proved = !caller.owner && !caller.also_agent && !caller.name.starts_with("uid ");
  if (proved || said.empty()) return caller.name;
  return fmt::format("{} ({})", said, caller.name);
}

ApiResponse listed(const Cordons& cordons, const Config& config) {
  json::array list;
  for (const auto& [device, cordon] : cordons.all()) list.push_back(to_json(cordon));
  return {200, json::object{{"host", config.host_name}, {"cordons", list}}};
}

}  // namespace

void add_fleet_routes(Router& router, Cordons& cordons, const DeviceUsages& devices,
                      const Config& config,
                      std::function<std::string(const std::string& device)> open_fault) {
  router.add("GET", "/v1/cordon", [&](ApiRequest) -> asio::awaitable<ApiResponse> {
    co_return listed(cordons, config);
  });
  router.add("POST", "/v1/cordon", [&](ApiRequest request) -> asio::awaitable<ApiResponse> {
    request.only({"device", "reason", "by"});
    if (!request.body.contains("device")) {
      throw Error(Code::bad_request, "a cordon needs the field 'device'",
                  R"(name the device, or close the whole host with {"device": null})");
    }
    Cordon cordon{request.text_or("device", ""), short_text(request, "reason"),
                  who(request.caller, short_text(request, "by")), 0};
    if (!cordon.device.empty()) (void)devices.at(cordon.device);
    cordons.set(cordon);
    spdlog::info("{} by {}", to_string(cordon, config.host_name),
                 cordon.by.empty() ? "somebody" : cordon.by);
    co_return listed(cordons, config);
  });
  router.add(
      "DELETE", "/v1/cordon", [&, open_fault](ApiRequest request) -> asio::awaitable<ApiResponse> {
        request.only({"device", "reason"});
        // A device that is not configured any more may still have a cordon.
        const auto device = request.text_or("device", "");
        if (!device.empty() && !cordons.all().contains(device)) (void)devices.at(device);
        if (request.body.contains("reason")) {
          check_is_theirs(cordons, device, short_text(request, "reason"), config.host_name);
        }
        const bool lifted = cordons.lift(device);
        if (lifted) {
          spdlog::info("{}{}{} is uncordoned by {}", config.host_name, device.empty() ? "" : "/",
                       device, request.caller.name);
        }
        auto answer = listed(cordons, config);
        answer.body.as_object()["lifted"] = lifted;
        json::array warnings;
        if (const auto fault = open_fault ? open_fault(device) : std::string(); !fault.empty()) {
          warnings.emplace_back(fmt::format(
              "{} is still open: health places no job there until `cardswap health --clear`",
              fault));
        }
        answer.body.as_object()["warnings"] = std::move(warnings);
        co_return answer;
      });
  router.add("GET", "/v1/peers", [&](ApiRequest) -> asio::awaitable<ApiResponse> {
    json::array list;
    for (const auto& peer : config.peers) list.emplace_back(peer);
    co_return ApiResponse{200, json::object{{"host", config.host_name}, {"peers", list}}};
  });
}

}  // namespace cardswap
