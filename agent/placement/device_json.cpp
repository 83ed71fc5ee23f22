#include "agent/placement/device_json.h"

#include <boost/json.hpp>

#include "agent/base/json_fields.h"
#include "agent/base/validate.h"

namespace cardswap {

std::optional<PlacementDevice> device_from(const boost::json::object& from,
                                           const std::string& address) {
  PlacementDevice device;
  device.host = address;
  device.name = text_at(from, "name");
  if (!validate::is_device_or_host(device.name)) return std::nullopt;
  device.kind = device.name.substr(0, device.name.find(':'));
  device.total_bytes = number_at<std::uint64_t>(from, "total_bytes");
  device.free_bytes = number_at<std::uint64_t>(from, "free_bytes");
  device.jobs = array_at(from, "jobs").size();
  device.cordoned = flag_at(from, "cordoned");
  device.unhealthy = flag_at(from, "unhealthy");
  return device;
}

}  // namespace cardswap
