#pragma once

#include <string>
#include <string_view>

namespace cardswap {

/// The processor's name in the text of /proc/cpuinfo; empty if it has none.
[[nodiscard]] std::string processor_model(std::string_view cpuinfo);

/// A lasting name for a device, "CPU-8c1d7a32-....", until the machine is installed anew. It is a
/// digest of the machine's id (machine-id(5), which must not be shown itself) and the device's
/// name. Empty without an id. Two agents on one machine give a device the same UUID.
[[nodiscard]] std::string device_uuid(std::string_view machine_id, std::string_view device);

/// The processor's name, and a device's lasting name, on this machine.
[[nodiscard]] std::string processor_model();
[[nodiscard]] std::string device_uuid(std::string_view device);

}  // namespace cardswap
