#include "runtime/roles/hold_role.h"

#include <exception>
#include <utility>
#include <vector>

#include "migrator/core/layout.h"
#include "migrator/device/device.h"
#include "migrator/plan/migration_spec.h"
#include "migrator/wire/data_messages.h"
#include "runtime/value_block.h"

namespace cardswap {
namespace {

/// The state digest that a snapshot of this boundary would have.
Digest digest_of_snapshot(Tracker& tracker) {
  const auto view = tracker.state_view();
  const auto values = digest_of(save_values(tracker.entries()));
  const auto ranges = ranges_of(view, cut_into_chunks(view.layout, kSnapshotChunkBytes));
  std::vector<Digest> digests(ranges.size());
  digest_ranges(ranges, digests, view.fence);
  return data::state_digest_of(view.layout, digests, values);
}

}  // namespace

void HoldRole::repeat_report() {
  const MutexLock lock(mutex_);
  is_told_ = false;
}

void HoldRole::report() {
  const MutexLock lock(mutex_);
  if (held_ && !std::exchange(is_told_, true)) context_.send(*held_);
}

bool HoldRole::on_boundary(bool is_read) {
  const auto& gate = context_.gate;
  if (is_read || gate.is_held() || !gate.is_within_hold(1)) return false;
  if (is_standby(context_.state())) return false;
  try {
    context_.tracker().on_boundary(gate.must_hold());
  } catch (...) {
    // on_held() meets it again, and tells of it.
  }
  return true;
}

void HoldRole::on_held() {
  channel::Held held;
  held.step = context_.gate.step();
  try {
    held.state_digest = digest_of_snapshot(context_.tracker());
  } catch (...) {
    held.failure = error_of(std::current_exception()).what();
  }
  const MutexLock lock(mutex_);
  held_ = std::move(held);
  is_told_ = false;  // at the channel's next tick, when there is somebody to tell
}

void HoldRole::on_let_go() {
  const MutexLock lock(mutex_);
  held_.reset();
}

}  // namespace cardswap
