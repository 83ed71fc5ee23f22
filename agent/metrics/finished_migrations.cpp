#include "agent/metrics/finished_migrations.h"

#include <string>
#include <vector>

#include "migrator/base/named.h"

namespace cardswap {
namespace {

constexpr double kDowntimeSeconds[] = {0.01, 0.025, 0.05, 0.1, 0.2, 0.3, 0.5, 1, 2, 5, 10, 30};
constexpr double kLostSeconds[] = {0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800};
constexpr double kTotalSeconds[] = {0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1800, 3600};
constexpr double kPredictedOverMeasured[] = {0.25, 0.5, 0.7, 0.8, 0.9, 1, 1.1, 1.25, 1.5, 2, 4};

std::vector<std::string> outcomes_of_migrations() {
  std::vector<std::string> all;
  for (std::size_t i = 0; i < kCountOf<MigrationResult>; ++i) {
    all.emplace_back(to_string(static_cast<MigrationResult>(i)));
  }
  return all;
}

}  // namespace

std::string strategy_of(const Migration& m) {
  const auto& chosen = m.only().record().stats.strategy;
  return chosen.empty() ? std::string(to_string(m.spec().strategy)) : chosen;
}

FinishedMigrations::Times::Times() : downtime(kDowntimeSeconds), total(kTotalSeconds) {
  for (const auto& outcome : outcomes_of_migrations()) {
    stall.try_emplace(outcome, kLostSeconds);
    lost.try_emplace(outcome, kLostSeconds);
  }
}

FinishedMigrations::FinishedMigrations() : predicted(kPredictedOverMeasured) {
  // All counters exist from the start with 0, so that a first failure is seen as an increase.
  for (const auto* strategy : {"stop-copy", "rounds", "replay"}) {
    (void)times[strategy];
    for (const auto& outcome : outcomes_of_migrations()) outcomes[{outcome, strategy}] = 0;
  }
}

void FinishedMigrations::add(const Migration& m) {
  for (const auto& transfer : m.transfers) {
    transferred += static_cast<double>(transfer.record().stats.transferred);
  }
  if (!handover::is_over(m.state()) || !m.record().result) return;
  const auto& transfer = m.only().record();
  Ended ended{.outcome = std::string(to_string(*m.record().result)), .strategy = strategy_of(m)};
  if (m.record().error) ended.error = m.record().error->code();
  if (transfer.lost_time.over) ended.lost = summary_of(transfer.lost_time, transfer.downtime_ms);
  ended.downtime_ms = transfer.downtime_ms;
  ended.total_ms = static_cast<double>(m.record().ended_at_ms - m.record().started_at_ms);
  add(ended);
  if (m.record().result != MigrationResult::ok) return;
  // The prediction includes the trainer's wait before its last step.
  const auto measured = transfer.downtime_ms + transfer.stats.log_wait_ms;
  if (transfer.predicted_downtime_ms > 0 && measured > 0) {
    predicted.observe(transfer.predicted_downtime_ms / measured);
  }
}

void FinishedMigrations::add(const gang::GangRecord& m) {
  const auto stats = gang::stats_of_all(m);
  const auto downtime_ms = gang::downtime_of_all(m);
  transferred += static_cast<double>(stats.transferred);
  if (!m.result) return;
  Ended ended{.outcome = std::string(to_string(*m.result)),
              .strategy = stats.strategy.empty() ? std::string(to_string(m.spec.strategy))
                                                 : stats.strategy};
  if (m.error) ended.error = m.error->code();
  if (m.cost.is_over()) ended.lost = m.cost.lost(downtime_ms).summary;
  ended.downtime_ms = downtime_ms;
  ended.total_ms = static_cast<double>(m.ended_at_ms - m.started_at_ms);
  add(ended);
}

void FinishedMigrations::add(const Ended& ended) {
  ++outcomes[{ended.outcome, ended.strategy}];
  if (ended.error) ++errors[std::string(to_string(*ended.error))];
  auto& of_strategy = times[ended.strategy];
  if (ended.lost) {
    const auto observe = [&](std::map<std::string, Histogram>& by_outcome, double ms) {
      by_outcome.try_emplace(ended.outcome, kLostSeconds).first->second.observe(ms / 1000);
    };
    observe(of_strategy.stall, ended.lost->stall_ms);
    observe(of_strategy.lost, ended.lost->lost_ms);
  }
  if (ended.outcome != to_string(MigrationResult::ok)) return;
  of_strategy.downtime.observe(ended.downtime_ms / 1000);
  of_strategy.total.observe(ended.total_ms / 1000);
}

}  // namespace cardswap
