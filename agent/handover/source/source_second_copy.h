#pragma once

#include <string>

#include "agent/base/event_sink.h"
#include "agent/handover/source/migration.h"
#include "agent/jobs/job.h"

/// Texts and events for a job that may run, or runs, in two places.
namespace cardswap {

/// The hint for a job that is frozen for a migration whose record was damaged here: the commands by
/// which an operator finds out where the job is, and decides.
[[nodiscard]] std::string what_to_do_without_the_record(const Job& job);

/// A line about the second copy of a job that was taken back or is superseded; empty: there is
/// nothing to say.
[[nodiscard]] std::string copy_note(const Migration& m);
/// Logs an error and emits an event: two copies of one job were found.
void report_second_copy(const Migration& m, EventSink& events);

}  // namespace cardswap
