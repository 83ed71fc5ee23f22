#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

/// What health sources say about devices, before anybody decides anything. Pure values.
namespace cardswap::health {

/// Milliseconds since 1970 by the monitor's clock, which never goes back.
using Ms = std::int64_t;

enum class Source : std::uint8_t { nvml, kernel_log, alert, probe };
inline constexpr std::size_t kSources = 4;
[[nodiscard]] const char* to_string(Source source);

enum class Severity : std::uint8_t { none, warning, critical };
[[nodiscard]] const char* to_string(Severity severity);

/// The name under which a finding is about the whole host.
inline constexpr std::string_view kHost = "host";

/// One source says one thing about one device, once.
struct Finding {
  std::string device;  ///< of this agent ("cuda:3"), or kHost
  std::string code;  ///< "xid:79", "recovery:drain_and_reset", "throttle:hw_thermal", "alert:NAME"
  Source source = Source::nvml;
  Ms at = 0;
  bool firing = true;  ///< false: the source says that it is over
  /// True where the source will say when it is over; false for something that happened.
  bool lasting = false;
  Severity severity = Severity::none;
  std::string detail;  ///< for people; made safe by shown()
  std::string who;     ///< of several voices of one source: an alert's fingerprint
  std::vector<std::pair<std::string, std::string>> labels;  ///< an alert's
  std::optional<int> pid;  ///< whose context died of it, where the source tells
};

/// Text from outside for logs, terminals and JSON: UTF-8, no control characters, at most `most`
/// bytes.
[[nodiscard]] std::string shown(std::string_view text, std::size_t most = 256);

/// Whether `words` stand somewhere in `text`, in any case.
[[nodiscard]] bool mentions(std::string_view text, std::string_view words);

/// The code under which one fault is known whoever saw it: NVML's "gpu_lost" is "xid:79".
[[nodiscard]] std::string canonical(std::string_view code);

/// A device as the outside names it.
struct DeviceName {
  std::string name;  ///< the agent's: "cuda:3"
  std::string uuid;  ///< "GPU-...."; empty: not known
  std::string pci;   ///< "0000:3b:00"; empty: not known
};

/// "00000000:3B:00.0", "0000:3b:00" and "3b:00.0" are one address: "0000:3b:00". Empty when `text`
/// is none.
[[nodiscard]] std::string pci_address(std::string_view text);

/// The device that `text` names by its name, UUID or PCI address. Never by an index: indices differ
/// between tools.
[[nodiscard]] std::optional<std::string> device_called(const std::vector<DeviceName>& devices,
                                                       std::string_view text);

/// '*' stands for anything; all else is itself.
[[nodiscard]] bool matches(std::string_view pattern, std::string_view text);

}  // namespace cardswap::health
