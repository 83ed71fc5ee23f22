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
  const auto strategy = strategy_of(m);
  const std::string outcome(to_string(*m.record().result));
  ++outcomes[{outcome, strategy}];
  if (m.record().error) ++errors[std::string(to_string(m.record().error->code()))];
  auto& of_strategy = times[strategy];
  const auto& transfer = m.only();
  // Only when the figures are final, because a histogram cannot take a value back.
  const auto late = summary_of(transfer.record().lost_time, transfer.record().downtime_ms);
  if (late && transfer.record().lost_time.over) {
    const auto observe = [&](std::map<std::string, Histogram>& by_outcome, double ms) {
      by_outcome.try_emplace(outcome, kLostSeconds).first->second.observe(ms / 1000);
    };
    observe(of_strategy.stall, late->stall_ms);
    observe(of_strategy.lost, late->lost_ms);
  }
  if (m.record().result != MigrationResult::ok) return;
  of_strategy.downtime.observe(transfer.record().downtime_ms / 1000);
  of_strategy.total.observe(static_cast<double>(m.record().ended_at_ms - m.record().started_at_ms) /
                            1000);
  // The prediction includes the trainer's wait before its last step.
  const auto measured = transfer.record().downtime_ms + transfer.record().stats.log_wait_ms;
  if (transfer.record().predicted_downtime_ms > 0 && measured > 0) {
    predicted.observe(transfer.record().predicted_downtime_ms / measured);
  }
}

}  // namespace cardswap
