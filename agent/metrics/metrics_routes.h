#pragma once

#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "agent/api/api_server.h"
#include "agent/api/router.h"
#include "agent/attach/runtime_hub.h"
#include "agent/base/config.h"
#include "agent/base/exposition.h"
#include "agent/base/histogram.h"
#include "agent/handover/source/migrations.h"
#include "agent/handover/target/reservations.h"
#include "agent/jobs/jobs.h"
#include "agent/journal/journal.h"
#include "agent/metrics/finished_migrations.h"

namespace cardswap {

/// How requests were answered: by the route's pattern, which are few, never by the path.
struct RequestStats {
  std::map<std::pair<std::string, unsigned>, std::uint64_t> answers;  ///< by route and status
  std::map<std::string, Histogram> seconds;                           ///< by route
  void note(const std::string& route, unsigned status, double took);
};

/// What a scrape looks at, at that moment: there is no registry that could disagree with it. All of
/// it is the agent's.
struct MetricSources {
  const Config& config;
  Journal& journal;
  Jobs& jobs;
  const RuntimeHub& hub;
  const Migrations& migrations;
  const Reservations& reservations;
  const ApiServer& server;
  const FinishedMigrations& forgotten;  ///< migrations that `migrations` has no more
  /// Families that other parts of the agent write themselves.
  std::function<void(Exposition&)> more = {};
};

/// GET /metrics, /healthz and /readyz. The agent's thread.
class MetricsCalls {
 public:
  /// `requests`: what the router has answered. Both outlive it; `router` must not be used after it.
  MetricsCalls(MetricSources sources, const RequestStats& requests, Router& router);
  MetricsCalls(const MetricsCalls&) = delete;
  MetricsCalls& operator=(const MetricsCalls&) = delete;

  /// Notes that what a former agent left has been taken up.
  void set_recovered() { recovered_ = true; }
  /// Why this agent should get no new work; nothing when it is ready.
  [[nodiscard]] std::vector<std::string> not_ready_reasons() const;

 private:
  MetricSources sources_;
  const RequestStats& requests_;
  bool recovered_ = false;
};

/// The text of /metrics.
[[nodiscard]] std::string metrics_text(const MetricSources& sources, const RequestStats& requests,
                                       bool ready);

}  // namespace cardswap
