#pragma once

#include <cstdint>

#include "agent/handover/protocol/protocol.h"

/// Compares two epochs of one job: when a runtime attaches, and when a reservation is asked for.
namespace cardswap::handover {

/// What a runtime that says Hello may do.
enum class Attach : std::uint8_t {
  granted,  ///< it may step
  waits,    ///< it may not step: its migration is decided, and tells it what follows
  refused,  ///< another copy of its job has a higher epoch: it stands for good
};

/// Decides on a Hello. `own` is the epoch of the process as its agent has it on disk. `reported` is
/// the epoch that its runtime reports: 0 before any grant, and below `own` after the job was taken
/// back, because the runtime is not told the new epoch. `known` is the highest epoch of the job
/// that this host knows. `decided`: a migration of this process has committed the job to its
/// target.
constexpr Attach attach(Epoch own, Epoch reported, Epoch known, bool decided) {
  if (decided) return Attach::waits;
  return own < known || reported > own ? Attach::refused : Attach::granted;
}
/// Whether a reservation under `asked` must be refused: this host knows of a grant under that epoch
/// or a higher one. `known` 0: no grant is known.
constexpr bool is_old(Epoch asked, Epoch known) { return known != 0 && asked <= known; }

static_assert(attach(1, 0, 1, false) == Attach::granted, "a job that was just started");
static_assert(attach(102, 1, 102, false) == Attach::granted, "one that was taken back");
static_assert(attach(2, 2, 102, false) == Attach::refused, "invariant 1: a lower epoch stands");
static_assert(attach(2, 0, 3, false) == Attach::refused, "also when it is started anew");
static_assert(attach(1, 2, 1, false) == Attach::refused, "its agent's journal is older than it");
static_assert(attach(1, 1, 2, true) == Attach::waits, "a source that is in doubt");
static_assert(is_old(2, 102) && is_old(2, 2) && !is_old(3, 2) && !is_old(2, 0));

}  // namespace cardswap::handover
