#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/health/finding.h"

/// What the driver's XIDs and NVML's other signals mean for the jobs on a device, as data.
namespace cardswap::health {

/// docs/health.md, "Action classes".
enum class Class : std::uint8_t {
  ignore,         ///< counted and logged
  report,         ///< nobody knows what it means for jobs: said to people, nothing is moved
  live_low,       ///< works on; move live when there is room, quarantine the device
  live,           ///< move live now, quarantine the device
  live_deadline,  ///< try live with a short limit; the driver or a link is suspect
  restart_same,   ///< the context is dead, the device is fine: restart the job, there too
  contained,      ///< the victim's context is dead; who shares the device can move live
  restart_other,  ///< context dead or memory not trusted: never copy, restart elsewhere
  node,           ///< the device is gone and the host must be rebooted: the healthy rest moves live
};
[[nodiscard]] const char* to_string(Class action_class);
/// Whether what is in the device's memory may be copied to another device.
[[nodiscard]] bool may_copy(Class action_class);
/// Higher acts before lower.
[[nodiscard]] int urgency(Class action_class);

/// "The n-th within `window` is of another class."
struct Escalation {
  unsigned count = 0;  ///< 0: never
  Ms window = 0;
  Class becomes = Class::ignore;
};

struct Meaning {
  std::string_view code;
  std::string_view text;
  Class action_class = Class::report;
  Escalation more = {};
  Ms hold = 0;  ///< a finding that explains it better is waited for this long before it is acted on
  /// Something that happened to a healthy device ends by itself; a broken one stays broken until it
  /// was reset and an operator (or the source) says so.
  bool stays = false;
};

/// Changes with every change of the table; `cardswap health -o json` shows it.
inline constexpr std::string_view kTableVersion = "2026-11-28";

/// What `code` ("xid:79", "recovery:gpu_reset", ...) means. `detail` decides where one XID stands
/// for several severities (144-150). Unknown codes are Class::report.
[[nodiscard]] Meaning meaning_of(std::string_view code, std::string_view detail = {});

/// Every row, an XID range as its first and last code: for documentation and tests.
struct XidRow {
  unsigned first;
  unsigned last;
  Meaning meaning;
};
[[nodiscard]] const std::vector<XidRow>& xid_rows();
[[nodiscard]] const std::vector<Meaning>& signal_rows();

/// True when `better` on the same device is the better word for `code`: XID 48 is followed by 94,
/// 95 or 154.
[[nodiscard]] bool supersedes(std::string_view better, std::string_view code);

/// "recovery:drain_and_reset" for what NVML's field 230 or XID 154's text says; empty for none.
[[nodiscard]] std::string recovery_code(unsigned action);

}  // namespace cardswap::health
