#pragma once

#include <boost/json/object.hpp>
#include <optional>
#include <string>

#include "agent/placement/placement.h"

namespace cardswap {

/// One of the devices that an agent at `address` lists (GET /v1/devices); nothing where it has no
/// right name.
[[nodiscard]] std::optional<PlacementDevice> device_from(const boost::json::object& from,
                                                         const std::string& address);

}  // namespace cardswap
