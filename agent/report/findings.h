#pragma once

#include <boost/json/object.hpp>
#include <vector>

#include "agent/report/report.h"

namespace cardswap::report {

/// What is worth knowing of a migration beside its figures: why it failed, what an audit found,
/// what held the trainer up, where the prediction was wrong. `progress` is the API's.
[[nodiscard]] std::vector<Finding> findings_of(const Report& report,
                                               const boost::json::object& progress);

}  // namespace cardswap::report
