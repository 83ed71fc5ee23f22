#pragma once

#include <string>

#include "agent/handover/protocol/protocol.h"
#include "agent/handover/source/migrations.h"
#include "agent/handover/target/reservation_list.h"

namespace cardswap::handover {

/// The highest epoch of the job `uid` that this host knows to have been granted, here or to another
/// host. 0: none is known, or `uid` is empty.
[[nodiscard]] Epoch known_epoch(const std::string& uid, const JobList& jobs,
                                const Migrations& migrations, const ReservationList& reservations);

}  // namespace cardswap::handover
