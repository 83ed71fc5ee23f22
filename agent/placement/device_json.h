#pragma once

#include <boost/json/object.hpp>
#include <optional>
#include <string>

#include "agent/placement/placement.h"

namespace cardswap {

/// Reads one device of the list (GET /v1/devices) of the agent at `address`; nullopt where its name
/// is not valid. Other fields that are missing or wrong count as 0 or false.
[[nodiscard]] std::optional<PlacementDevice> device_from(const boost::json::object& from,
                                                         const std::string& address);

}  // namespace cardswap
