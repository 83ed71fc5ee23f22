#pragma once

#include <cstdint>

#include "agent/handover/protocol/protocol.h"

/// Two epochs of one job that meet: at a runtime that attaches, and at a place that is asked for.
namespace cardswap::handover {

/// What a runtime that says Hello is let do.
enum class Attach : std::uint8_t {
  granted,  ///< step
  waits,    ///< not step: a migration of it is decided, and says what becomes of it
  refused,  ///< a copy of its job has a higher epoch: it stands for good
};

/// Decides on a Hello. `own` is the epoch of the process, as its agent has it on disk. `reported`
/// is its runtime's: 0 before any grant, and below `own` for one that was taken back, which is not
/// told its new epoch. `known` is the highest of the job here. `decided`: a migration of this very
/// process has granted its job away.
constexpr Attach attach(Epoch own, Epoch reported, Epoch known, bool decided) {
  if (decided) return Attach::waits;
  return own < known || reported > own ? Attach::refused : Attach::granted;
}
/// Whether a place must not be given: a higher epoch, or the same one elsewhere, was granted.
constexpr bool is_old(Epoch asked, Epoch known) { return known != 0 && asked <= known; }

static_assert(attach(1, 0, 1, false) == Attach::granted, "a job that was just started");
static_assert(attach(102, 1, 102, false) == Attach::granted, "one that was taken back");
static_assert(attach(2, 2, 102, false) == Attach::refused, "invariant 1: a lower epoch stands");
static_assert(attach(2, 0, 3, false) == Attach::refused, "also when it is started anew");
static_assert(attach(1, 2, 1, false) == Attach::refused, "its agent's journal is older than it");
static_assert(attach(1, 1, 2, true) == Attach::waits, "a source that is in doubt");
static_assert(is_old(2, 102) && is_old(2, 2) && !is_old(3, 2) && !is_old(2, 0));

}  // namespace cardswap::handover
