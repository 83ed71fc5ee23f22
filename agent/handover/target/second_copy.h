#pragma once

#include <cstdint>
#include <string>

#include "agent/base/event_sink.h"
#include "agent/handover/target/reservation.h"

namespace cardswap {

/// An error in the log and an event: a job that was granted here is granted elsewhere, too, under
/// `newer_epoch` (0: not known).
void report_two_copies(const Reservation& r, const std::string& job, std::uint64_t newer_epoch,
                       EventSink& events);

}  // namespace cardswap
