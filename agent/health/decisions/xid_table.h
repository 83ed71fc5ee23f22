#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/health/decisions/finding.h"

/// The table of what the driver's XIDs and NVML's other signals mean for the jobs on a device.
namespace cardswap::health {

/// The highest XID: no driver has a higher number.
inline constexpr unsigned kXidMax = 9999;

/// The class of a fault, by what has to be done about it (docs/health.md, "Action classes").
enum class Class : std::uint8_t {
  ignore,         ///< counted and logged
  report,         ///< its meaning for jobs is not known: reported to people, nothing moves
  live_low,       ///< the device still works; move live when there is room, quarantine it
  live,           ///< move live now, quarantine the device
  live_deadline,  ///< try live with a short limit; the driver or a link is suspect
  restart_same,   ///< the context is dead, the device is fine: restart the job, there too
  contained,      ///< the victim's context is dead; other jobs on the device can move live
  restart_other,  ///< context dead or memory not trusted: never copy, restart elsewhere
  node,           ///< the device is gone and the host must be rebooted: the healthy rest moves live
};
[[nodiscard]] const char* to_string(Class action_class);
/// Whether the device's memory may be copied to another device.
[[nodiscard]] bool may_copy(Class action_class);
/// How urgent a class is: a higher one is handled first.
[[nodiscard]] int urgency(Class action_class);

/// The `count`-th fault within `window` is of class `becomes`.
struct Escalation {
  unsigned count = 0;  ///< 0: never
  Ms window = 0;
  Class becomes = Class::ignore;
};

/// What a code means for the jobs on its device.
struct Meaning {
  std::string_view code;
  std::string_view text;
  Class action_class = Class::report;
  Escalation escalation = {};
  Ms hold = 0;  ///< for this long the finding waits for one that supersedes it
  /// Whether the device stays broken until it was reset and an operator or the source says so;
  /// false: it is an event on a healthy device, and the incident ends by itself.
  bool stays = false;
};

/// Changes with every change of the table; `cardswap health -o json` shows it.
inline constexpr std::string_view kTableVersion = "2026-11-28";

/// The meaning of a code such as "xid:79" or "recovery:gpu_reset". For XIDs with several severities
/// (144-150) the text `detail` decides. An unknown code is Class::report.
[[nodiscard]] Meaning meaning_of(std::string_view code, std::string_view detail = {});

/// A row of the table: the first and the last XID of a range, and their meaning.
struct XidRow {
  unsigned first;
  unsigned last;
  Meaning meaning;
};
/// All rows, for documentation and tests.
[[nodiscard]] const std::vector<XidRow>& xid_rows();
[[nodiscard]] const std::vector<Meaning>& signal_rows();

/// Whether a finding with the code `better` replaces one with `code` on the same device: XID 48 is
/// followed by 94, 95 or a recovery action, which say more.
[[nodiscard]] bool supersedes(std::string_view better, std::string_view code);

/// The code of a recovery action, as NVML's field 230 and XID 154 number it:
/// "recovery:drain_and_reset". Empty for 0, no action.
[[nodiscard]] std::string recovery_code(unsigned action);

}  // namespace cardswap::health
