#include "agent/health/health_routes.h"

#include <algorithm>
#include <boost/json.hpp>

namespace cardswap::health {
namespace {

namespace json = boost::json;

constexpr std::int64_t kPageMax = 1000;
constexpr std::int64_t kWaitMaxMs = 60'000;
/// Enough for some ten thousand alerts. A larger body is answered with 503, so that the sender
/// repeats it.
constexpr std::size_t kWebhookBytesMax = 8U << 20;

std::string query_text(const ApiRequest& request, std::string_view field) {
  const auto found = request.query.find(field);
  return found == request.query.end() ? std::string() : found->second;
}

asio::awaitable<ApiResponse> events_after(Monitor& monitor, ApiRequest request) {
  EventLog::Query query;
  query.after = request.query_or("after", 0);
  query.since_ms = request.query_or("since_ms", 0);
  query.limit = static_cast<std::size_t>(
      std::clamp<std::int64_t>(request.query_or("limit", 100), 1, kPageMax));
  query.device = query_text(request, "device");
  query.job = query_text(request, "job");
  const auto wait = std::clamp<std::int64_t>(request.query_or("wait_ms", 0), 0, kWaitMaxMs);
  const auto until = std::chrono::steady_clock::now() + std::chrono::milliseconds(wait);
  auto found = monitor.events().find(query);
  while (found.empty() && std::chrono::steady_clock::now() < until) {
    co_await monitor.changed().wait_until(until);
    found = monitor.events().find(query);
  }
  const auto next = found.empty() ? std::max(query.after, monitor.events().last_id())
                                  : found.back().at("id").to_number<std::int64_t>();
  json::array list;
  for (auto& event : found) list.push_back(std::move(event));
  co_return ApiResponse{200, json::object{{"events", list}, {"next", next}}};
}

}  // namespace

void add_health_routes(Router& router, Monitor& monitor) {
  RouteLimits limits;
  limits.body_bytes = kWebhookBytesMax;
  limits.any_bytes = true;
  limits.on_refused = [&monitor](const Error& error) { monitor.webhooks().note_refused(error); };
  router.add(
      "POST", "/v1/alerts",
      [&monitor](ApiRequest request) -> asio::awaitable<ApiResponse> {
        // Unknown fields are allowed: a newer Alertmanager may send them.
        const auto taken = co_await monitor.webhooks().take(std::move(request.body));
        co_return ApiResponse{200, json::object{{"alerts", taken.all()},
                                                {"taken", taken.ours},
                                                {"not_ours", taken.not_ours},
                                                {"unclear", taken.unclear},
                                                {"unreadable", taken.unreadable}}};
      },
      limits);
  router.add("GET", "/v1/health", [&monitor](ApiRequest) -> asio::awaitable<ApiResponse> {
    co_return ApiResponse{200, monitor.status()};
  });
  router.add("POST", "/v1/health/clear",
             [&monitor](ApiRequest request) -> asio::awaitable<ApiResponse> {
               request.only({"device", "reason", "breaker"});
               const auto reason = request.text("reason");
               const auto device = request.text_or("device", "");
               const bool breaker = request.flag_or("breaker", false);
               if (reason.empty() || (device.empty() && !breaker)) {
                 throw Error(Code::bad_request, "a reason, and a device or the breaker, are needed",
                             "the event log keeps who said that a device is well, and why");
               }
               if (!device.empty()) monitor.clear(device, reason, request.caller.name);
               if (breaker) monitor.close_breaker(reason, request.caller.name);
               co_return ApiResponse{200, monitor.status()};
             });
  router.add("GET", "/v1/events", [&monitor](ApiRequest request) -> asio::awaitable<ApiResponse> {
    return events_after(monitor, std::move(request));
  });
}

}  // namespace cardswap::health
