#pragma once

#include <boost/json/object.hpp>

#include "agent/base/config.h"
#include "agent/handover/target/reservation.h"
#include "agent/jobs/job.h"

namespace cardswap {

/// A migration as its target knows it: JSON with the names of a Migration, "role": "target" and the
/// reservation's state. `standby`: the job's process here; null: there is none.
[[nodiscard]] boost::json::object incoming_json(const Reservation& r, const Instance* standby,
                                                const Config& config);

}  // namespace cardswap
