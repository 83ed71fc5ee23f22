#pragma once

#include <chrono>
#include <cstdint>

#include "agent/jobs/protection.h"

/// When the next snapshot of a protected job is taken. Pure.
namespace cardswap::snapshots {

/// What is known of a protected job now.
struct ScheduleView {
  std::uint64_t step = 0;      ///< completed by its program
  std::uint32_t restarts = 0;  ///< Job::restarts
  std::int64_t now_ms = 0;     ///< Unix time
};

/// Whether a snapshot is due. The first one is due at once, and so is one after the program was
/// started again, because its steps count from 0 then. After that one is due at each multiple of
/// `every_steps`, however late the last one was; or `every_ms` after the last one; or, where the
/// order is_auto, as long after it as `notes.interval`, which is planned, has it. A clock that was
/// set back makes one due.
[[nodiscard]] bool is_due(const Protection& protection, const ProtectionNotes& notes,
                          const ScheduleView& now);

/// Whether the wait after a failure is over. A wait that is longer than any wait_after() was made
/// by a clock that was set back since.
[[nodiscard]] bool may_try(const ProtectionNotes& notes, std::int64_t now_ms);
/// How long to wait after so many failures in a row, from 1 on: 2 s after the first, then twice as
/// long each time, up to 10 minutes.
[[nodiscard]] std::chrono::milliseconds wait_after(std::uint32_t failures_in_a_row);

}  // namespace cardswap::snapshots
