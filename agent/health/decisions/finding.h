#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

/// Reports of health sources about devices, before any decision. Pure values.
namespace cardswap::health {

/// Milliseconds: a duration, or a time since 1970 by the monitor's clock, which never goes back
/// while the agent runs.
using Ms = std::int64_t;

/// Which source saw a fault.
enum class FaultSource : std::uint8_t { nvml, kernel_log, alert, probe };
inline constexpr std::size_t kSources = 4;
[[nodiscard]] const char* to_string(FaultSource source);

/// How bad a fault is, if its source says so.
enum class Severity : std::uint8_t { none, warning, critical };
[[nodiscard]] const char* to_string(Severity severity);

/// The device name of a finding about the whole host.
inline constexpr std::string_view kHost = "host";

/// What one source reports about one device.
struct Finding {
  std::string device;  ///< a device of this agent ("cuda:3"), or kHost
  std::string code;  ///< "xid:79", "recovery:drain_and_reset", "throttle:hw_thermal", "alert:NAME"
  FaultSource source = FaultSource::nvml;
  Ms at = 0;
  bool firing = true;  ///< false: the source says that the fault is over
  /// Whether it is a state whose end the source will report; false: it is an event.
  bool lasting = false;
  Severity severity = Severity::none;
  std::string detail;  ///< for people; made safe by excerpt()
  std::string who;     ///< tells the reports of one source apart, such as an alert's fingerprint
  std::vector<std::pair<std::string, std::string>> labels;  ///< an alert's
  std::optional<int> pid;  ///< the process whose context died, if the source says it
};

/// Whether `text` contains `words`; ASCII letters match in either case.
[[nodiscard]] bool mentions(std::string_view text, std::string_view words);

/// The code of a fault, whichever source saw it: NVML's "gpu_lost" is "xid:79".
[[nodiscard]] std::string canonical(std::string_view code);

/// The names by which sources call a device of this agent.
struct DeviceName {
  std::string name;  ///< this agent's name for it: "cuda:3"
  std::string uuid;  ///< "GPU-...."; empty: not known
  std::string pci;   ///< "0000:3b:00"; empty: not known
};

/// The one form of a PCI address: "0000:3b:00" for "00000000:3B:00.0", "0000:3b:00" and "3b:00.0".
/// Empty: `text` is not a PCI address.
[[nodiscard]] std::string pci_address(std::string_view text);

/// The name of the device that `text` calls by its name, UUID or PCI address; nothing: there is
/// none. Never by an index: indices differ between tools.
[[nodiscard]] std::optional<std::string> device_called(const std::vector<DeviceName>& devices,
                                                       std::string_view text);

/// Whether `text` matches `pattern`, in which '*' stands for any text.
[[nodiscard]] bool matches(std::string_view pattern, std::string_view text);

}  // namespace cardswap::health
