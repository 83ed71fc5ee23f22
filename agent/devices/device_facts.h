#pragma once

#include <string>
#include <string_view>

namespace cardswap {

/// The processor's name in the text of /proc/cpuinfo; empty if it has none. Pure.
[[nodiscard]] std::string processor_model(std::string_view cpuinfo);

/// A UUID for a device, "CPU-8c1d7a32-....", which stays the same until the machine is installed
/// again. It is a digest of the machine's id (machine-id(5), which must not be shown itself) and
/// the device's name. Empty without an id. Two agents on one machine give a device the same UUID.
/// Pure.
[[nodiscard]] std::string device_uuid(std::string_view machine_id, std::string_view device);

/// The processor's name on this machine; empty if it is not known.
[[nodiscard]] std::string processor_model();
/// The UUID of a device on this machine; empty if the machine has no id.
[[nodiscard]] std::string device_uuid(std::string_view device);

}  // namespace cardswap
