#include "agent/attach/log_orders.h"

#include <chrono>

#include "migrator/store/refs.h"

namespace cardswap {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::chrono::seconds kTellLogEvery{1};

/// The order that the job is under. Of a copy that does not step: none.
channel::KeepLog log_order_of(const Job& job) {
  channel::KeepLog order;
  const auto& protection = job.spec.protection;
  if (!protection || protection->log == channel::LogMode::off || !job.is_current()) return order;
  order.mode = protection->log;
  order.store = protection->store;
  order.run = store::run_of(job.uid());
  order.branch = job.spec.branch.empty() ? "main" : job.spec.branch;
  order.window_steps = protection->window_steps;
  order.window_bytes = protection->window_bytes;
  // Of a program that was started again since, it may be a snapshot that is further than its steps.
  const auto& notes = job.protection_notes;
  if (notes.number != 0 && notes.restarts == job.restarts) order.base_step = notes.step;
  return order;
}

}  // namespace

void send_log_order(RuntimeHub& hub, Instance& instance) {
  if (!instance.attached || instance.is_snapshot_sender()) return;
  const auto wanted = log_order_of(instance.job());
  const bool is_none = wanted == channel::KeepLog{};
  if (!instance.logged && is_none) return;
  const auto in_force = instance.logged ? instance.logged->order : Digest{};
  if (in_force == (is_none ? Digest{} : digest_of(channel::encode(wanted)))) return;
  const auto now = Clock::now();
  if (now - instance.log_told < kTellLogEvery) return;
  instance.log_told = now;
  (void)hub.send(instance, wanted);
}

}  // namespace cardswap
