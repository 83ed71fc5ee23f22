#include "agent/metrics/metrics_routes.h"

#include <boost/json.hpp>

#include "agent/base/units.h"

namespace cardswap {

namespace json = boost::json;

void RequestStats::note(const std::string& route, unsigned status, double took) {
  ++answers[{route, status}];
  seconds.try_emplace(route, kLatencySeconds).first->second.observe(took);
}

MetricsRoutes::MetricsRoutes(MetricContext sources, const RequestStats& requests, Router& router)
    : sources_(sources), requests_(requests) {
  router.add("GET", "/metrics", [this](ApiRequest) -> asio::awaitable<ApiResponse> {
    ApiResponse answer;
    answer.text = metrics_text(sources_, requests_, not_ready_reasons().empty());
    answer.content_type = "text/plain; version=0.0.4; charset=utf-8";
    co_return answer;
  });
  // An answer proves that the event loop runs.
  router.add("GET", "/healthz", [](ApiRequest) -> asio::awaitable<ApiResponse> {
    co_return ApiResponse{200, json::object{{"status", "ok"}}};
  });
  router.add("GET", "/readyz", [this](ApiRequest) -> asio::awaitable<ApiResponse> {
    const auto found = not_ready_reasons();
    json::array reasons;
    for (const auto& reason : found) reasons.emplace_back(reason);
    json::array warnings;
    for (const auto& soon : tls::expiring_soon(sources_.server.expiries(), unix_ms() / 1000)) {
      warnings.emplace_back(soon);
    }
    co_return ApiResponse{found.empty() ? 200U : 503U,
                          json::object{{"status", found.empty() ? "ready" : "not ready"},
                                       {"reasons", reasons},
                                       {"warnings", warnings}}};
  });
}

std::vector<std::string> MetricsRoutes::not_ready_reasons() const {
  std::vector<std::string> reasons;
  if (!has_taken_up_) reasons.emplace_back("what a former agent left is not taken up yet");
  if (const auto failed = sources_.journal.write_failure(); !failed.empty()) {
    reasons.push_back(failed);
  }
  for (auto& text : tls::expired(sources_.server.expiries(), unix_ms() / 1000)) {
    reasons.push_back(std::move(text));
  }
  if (!sources_.server.is_open()) reasons.emplace_back("the API's sockets are closed");
  if (!sources_.hub.is_open()) reasons.emplace_back("the runtimes' socket is closed");
  return reasons;
}

}  // namespace cardswap
