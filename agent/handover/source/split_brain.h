#pragma once

#include <string>

#include "agent/base/event_sink.h"
#include "agent/handover/source/migration.h"
#include "agent/jobs/job.h"

/// What is said where one job may be, or is, in two places.
namespace cardswap {

/// "on the host to which it went: `cardswap jobs`; ...", for a job that stands for a migration
/// whose record was damaged here.
[[nodiscard]] std::string what_to_do_without_the_record(const Job& job);

/// What a job that was taken back, or is outranked, should be known by; empty: nothing.
[[nodiscard]] std::string copy_note(const Migration& m);
/// An error in the log and an event: two copies of one job were found.
void report_two_copies(const Migration& m, EventSink& events);

}  // namespace cardswap
