#pragma once

#include <cstdint>
#include <string>

#include "agent/base/event_sink.h"
#include "agent/handover/target/reservation.h"

namespace cardswap {

/// Logs an error and emits an event: a job that was granted here has a second copy elsewhere.
/// `newer_epoch`: the epoch of the other copy, if that is the higher one; 0: it is not known, or
/// the copy here is the higher one.
void report_second_copy(const Reservation& r, const std::string& job, std::uint64_t newer_epoch,
                        EventSink& events);

}  // namespace cardswap
