#pragma once

#include <boost/json/object.hpp>
#include <vector>

#include "agent/report/report.h"

namespace cardswap::report {

/// What a user should know about a migration beside its figures: why it failed, what an audit
/// found, what delayed the trainer, where the prediction was wrong. `progress` is that field of the
/// API's Migration. Reads all of `report` but its findings.
[[nodiscard]] std::vector<Finding> findings_of(const Report& report,
                                               const boost::json::object& progress);

}  // namespace cardswap::report
