#include "agent/handover/source/target_couriers.h"

#include <algorithm>
#include <utility>

namespace cardswap {
namespace {

// Between equal digests and the grant, one after the other: verified and granted there, committed
// here; the answer that it verified, and the grant.
constexpr double kHandoverWrites = 3;
constexpr double kHandoverAsks = 2;
/// The shortest of them counts: one that met a busy moment would be in every prediction of the
/// migration, and could keep it from its freeze until its time-out.
constexpr int kRoundTripsMeasured = 3;

}  // namespace

TargetCouriers::TargetCouriers(const MigrationContext& scope, TargetClient& targets)
    : journal_(scope.context.journal),
      changed_(scope.list.changed(scope.migration)),
      run_(scope.run),
      migration_(scope.migration) {
  for (auto& transfer : migration_.transfers) links_.emplace_back(scope, targets, transfer);
}

void TargetCouriers::send(const handover::Message& message) {
  for (auto& link : links_) link.send(message);
}

void TargetCouriers::begin_sync() {
  begin_sync_is_due_ = migration_.holds_effects_at_failpoint();
  if (begin_sync_is_due_) return;
  const auto takes_ms = handover_ms();
  for (auto& link : links_) link.begin_sync(takes_ms);
}

void TargetCouriers::send_held_back() {
  for (auto& link : links_) link.send_held_back();
  if (std::exchange(begin_sync_is_due_, false)) begin_sync();
}

asio::awaitable<void> TargetCouriers::measure_round_trips() {
  const auto measured = [](const Transfer& one) {
    return one.target.round_trips >= kRoundTripsMeasured;
  };
  while (!migration_.are_all(measured)) {
    const auto calls = migration_.calls();
    run_.poll();
    while (migration_.calls() == calls) {
      run_.check(run_.deadline());
      co_await changed_.wait_until(run_.deadline());
    }
    run_.check(run_.deadline());
  }
}

double TargetCouriers::handover_ms() const {
  double slowest_ms = 0;
  for (const auto& transfer : migration_.transfers) {
    slowest_ms = std::max(slowest_ms, transfer.target.round_trip_ms);
  }
  return kHandoverWrites * journal_.put_ms() + kHandoverAsks * slowest_ms;
}

}  // namespace cardswap
