#pragma once

#include <string>
#include <string_view>

namespace cardswap {

/// The processor's name in the text of /proc/cpuinfo; empty when it tells none.
[[nodiscard]] std::string processor_model(std::string_view cpuinfo);

/// A name for a device that stays the same as long as the machine is installed, as
/// "CPU-8c1d7a32-....": made of the machine's id (machine-id(5), which asks not to be shown itself)
/// and the device's name. Empty without an id. Two agents of one machine give one device one UUID.
[[nodiscard]] std::string device_uuid(std::string_view machine_id, std::string_view device);

/// The same for this machine.
[[nodiscard]] std::string processor_model();
[[nodiscard]] std::string device_uuid(std::string_view device);

}  // namespace cardswap
