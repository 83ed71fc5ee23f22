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
#include "agent/handover/rank_moves.h"
#include "agent/handover/source/migrations.h"
#include "agent/handover/target/reservations.h"
#include "agent/jobs/jobs.h"
#include "agent/journal/journal.h"
#include "agent/metrics/finished_migrations.h"

namespace cardswap {

/// How requests were answered, by the route's pattern: patterns are few, while callers choose
/// paths.
struct RequestStats {
  std::map<std::pair<std::string, unsigned>, std::uint64_t> answers;  ///< by route and status
  std::map<std::string, Histogram> seconds;                           ///< by route
  /// Counts an answer that took `took` seconds.
  void note(const std::string& route, unsigned status, double took);
};

/// The parts of the agent whose state /metrics shows, read when it is asked. All outlive it.
struct MetricContext {
  const Config& config;
  Journal& journal;
  Jobs& jobs;
  const RuntimeHub& hub;
  const Migrations& migrations;
  const Reservations& reservations;
  const RankMoves& rank_moves;
  const ApiServer& server;
  const FinishedMigrations& forgotten;  ///< sums of the migrations that `migrations` has forgotten
  /// Writes the families of other parts of the agent; may be empty.
  std::function<void(Exposition&)> more = {};
  /// Adds the moves of ranks of jobs of many that are not forgotten; may be empty.
  std::function<void(FinishedMigrations&)> moves_of_ranks = {};
};

/// Answers GET /metrics, /healthz and /readyz. The agent's thread.
class MetricsRoutes {
 public:
  /// Adds the routes to `router`, which must not be used after this object has ended. `requests`
  /// counts what the router has answered, and outlives this object.
  MetricsRoutes(MetricContext sources, const RequestStats& requests, Router& router);
  MetricsRoutes(const MetricsRoutes&) = delete;
  MetricsRoutes& operator=(const MetricsRoutes&) = delete;

  /// Notes that this agent has taken up the jobs and migrations that a former agent left.
  void set_taken_up() { has_taken_up_ = true; }
  /// Why this agent should get no new work; empty: it is ready. May write to the journal to find
  /// out, and then wait up to 2 s (Journal::write_failure()).
  [[nodiscard]] std::vector<std::string> not_ready_reasons() const;

 private:
  MetricContext sources_;
  const RequestStats& requests_;
  bool has_taken_up_ = false;
};

/// The answer to GET /metrics. `ready` is whether /readyz answers 200.
[[nodiscard]] std::string metrics_text(const MetricContext& sources, const RequestStats& requests,
                                       bool ready);

}  // namespace cardswap
