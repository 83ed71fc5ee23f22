#include "agent/health/decisions/xid_table.h"

#include <array>

#include "agent/base/text_parts.h"

namespace cardswap::health {
namespace {

constexpr Ms kSecond = 1000;
constexpr Ms kDay = 24 * 3600 * kSecond;
/// How long XID 48 waits for the XID that follows it and says more.
constexpr Ms kFollowUp = kSecond;

/// The second fault within a day is the device's, not the program's.
constexpr Escalation kTwiceADay{2, kDay, Class::live};

// The classes are ours. They are based on NVIDIA's catalog for Ampere and later, DCGM's health
// checks and what device plugins ignore; docs/health.md says which of them counts if they disagree.
constexpr std::array kXids = {
    XidRow{8, 8, {"xid:8", "bad push buffer", Class::restart_same}},
    XidRow{11, 11, {"xid:11", "bad push buffer", Class::restart_same}},
    XidRow{13, 13, {"xid:13", "graphics engine exception", Class::restart_same, kTwiceADay}},
    XidRow{25, 25, {"xid:25", "bad push buffer", Class::restart_same}},
    XidRow{31, 31, {"xid:31", "MMU page fault", Class::restart_same}},
    XidRow{32, 32, {"xid:32", "bad push buffer", Class::restart_same}},
    XidRow{37, 38, {"xid:37", "driver firmware", Class::ignore}},
    XidRow{39, 41, {"xid:39", "copy engine exception", Class::restart_same, kTwiceADay}},
    XidRow{
        43, 43, {"xid:43", "channel stopped; also seen when a process is killed", Class::ignore}},
    XidRow{44, 44, {"xid:44", "driver telemetry", Class::ignore}},
    XidRow{45, 45, {"xid:45", "preemptive cleanup after another error", Class::ignore}},
    XidRow{46, 46, {"xid:46", "GPU stopped processing", Class::restart_other, {}, 0, true}},
    XidRow{48, 48, {"xid:48", "double-bit ECC error", Class::restart_other, {}, kFollowUp, true}},
    XidRow{54, 54, {"xid:54", "auxiliary power is missing", Class::live}},
    XidRow{60, 60, {"xid:60", "video engine", Class::restart_same}},
    XidRow{62, 62, {"xid:62", "internal micro-controller halt", Class::restart_other, {}, 0, true}},
    XidRow{63, 63, {"xid:63", "row remap or page retirement recorded", Class::live_low}},
    XidRow{64, 64, {"xid:64", "row remap or page retirement failed", Class::live, {}, 0, true}},
    XidRow{66, 67, {"xid:66", "driver telemetry", Class::ignore}},
    XidRow{68, 68, {"xid:68", "video decoder", Class::ignore}},
    XidRow{69, 69, {"xid:69", "graphics class error", Class::restart_same}},
    XidRow{70, 72, {"xid:70", "copy engine exception", Class::restart_same, kTwiceADay}},
    XidRow{74, 74, {"xid:74", "NVLink error", Class::live_deadline}},
    XidRow{75, 77, {"xid:75", "copy engine exception", Class::restart_same, kTwiceADay}},
    XidRow{79, 79, {"xid:79", "the GPU has fallen off the bus", Class::node, {}, 0, true}},
    XidRow{80, 80, {"xid:80", "bad data from the host", Class::restart_same}},
    XidRow{82, 84, {"xid:82", "video engine", Class::restart_same}},
    XidRow{85, 85, {"xid:85", "copy engine exception", Class::restart_same, kTwiceADay}},
    XidRow{86, 86, {"xid:86", "optical-flow engine", Class::restart_same}},
    XidRow{88, 89, {"xid:88", "video engine", Class::restart_same}},
    XidRow{92, 92, {"xid:92", "high rate of single-bit ECC errors", Class::live_low}},
    XidRow{93, 93, {"xid:93", "InfoROM erase (Volta)", Class::ignore}},
    XidRow{94, 94, {"xid:94", "contained memory error", Class::contained}},
    XidRow{95, 95, {"xid:95", "uncontained memory error", Class::restart_other, {}, 0, true}},
    XidRow{96, 105, {"xid:96", "video, JPEG or optical-flow engine", Class::restart_same}},
    XidRow{106, 107, {"xid:106", "driver test", Class::ignore}},
    XidRow{109, 109, {"xid:109", "context switch timed out", Class::restart_same}},
    XidRow{110, 110, {"xid:110", "security fault", Class::restart_other, {}, 0, true}},
    XidRow{
        119, 120, {"xid:119", "GSP firmware does not answer", Class::live_deadline, {}, 0, true}},
    XidRow{121,
           121,
           {"xid:121", "corrected C2C link error", Class::ignore, {10, kDay / 24, Class::live}}},
    XidRow{126, 135, {"xid:126", "copy engine exception", Class::restart_same, kTwiceADay}},
    XidRow{136, 136, {"xid:136", "link training failed", Class::live_deadline}},
    XidRow{137, 137, {"xid:137", "NVLink privilege error", Class::ignore}},
    XidRow{139, 139, {"xid:139", "optical-flow engine", Class::restart_same}},
    XidRow{
        140, 140, {"xid:140", "unrecovered ECC error escaped", Class::restart_other, {}, 0, true}},
    XidRow{141, 141, {"xid:141", "driver telemetry", Class::ignore}},
    XidRow{143, 143, {"xid:143", "GPU initialization failed", Class::restart_other, {}, 0, true}},
    // Their texts carry the severity; meaning_of() reads it.
    XidRow{144, 150, {"xid:144", "NVLink unit", Class::report}},
    XidRow{151, 151, {"xid:151", "key rotation failed", Class::node, {}, 0, true}},
    XidRow{152, 153, {"xid:152", "driver telemetry", Class::ignore}},
    // 154 and those that follow it: the recovery action itself is a finding of its own.
    XidRow{154, 154, {"xid:154", "recovery action changed", Class::ignore}},
    XidRow{155, 155, {"xid:155", "NVLink error found by software", Class::live_deadline}},
    XidRow{156, 156, {"xid:156", "resource retired", Class::report}},
    XidRow{157, 157, {"xid:157", "driver telemetry", Class::ignore}},
    XidRow{158, 158, {"xid:158", "fatal time-out", Class::restart_other, {}, 0, true}},
    XidRow{160, 160, {"xid:160", "channel retired", Class::report}},
    XidRow{161, 161, {"xid:161", "driver telemetry", Class::ignore}},
    XidRow{162, 166, {"xid:162", "power smoothing or confidential computing", Class::report}},
    XidRow{167, 167, {"xid:167", "fatal PCIe time-out", Class::restart_other, {}, 0, true}},
    XidRow{168, 168, {"xid:168", "less memory than before", Class::live}},
    XidRow{169, 170, {"xid:169", "security processor", Class::report}},
    XidRow{171, 172, {"xid:171", "detail of a double-bit ECC error", Class::ignore}},
    XidRow{173, 173, {"xid:173", "fatal C2C link error", Class::node, {}, 0, true}},
};

constexpr std::array kSignals = {
    // Messages of the driver that name no device: people have to find out which one it is.
    Meaning{"driver:gpu_lost", "a GPU has fallen off the bus; the driver does not say which",
            Class::report},
    Meaning{"driver:init_failed", "the driver could not start a GPU and does not say which",
            Class::report},
    Meaning{"driver:reset_required", "a GPU wants a reset; the driver does not say which",
            Class::report},
    Meaning{
        "recovery:gpu_reset", "the driver wants the GPU reset", Class::restart_other, {}, 0, true},
    Meaning{"recovery:node_reboot", "the driver wants the host rebooted", Class::node, {}, 0, true},
    Meaning{"recovery:drain_p2p", "the driver wants peer-to-peer traffic off",
            Class::live_deadline},
    Meaning{"recovery:drain_and_reset",
            "the driver wants the GPU drained and reset",
            Class::live,
            {},
            0,
            true},
    Meaning{"recovery:bus_reset",
            "the driver wants the GPU's bus reset",
            Class::restart_other,
            {},
            0,
            true},
    Meaning{"recovery:other",
            "the driver wants a recovery this version does not know",
            Class::restart_other,
            {},
            0,
            true},
    Meaning{"reset_required",
            "the GPU does not work until it is reset",
            Class::restart_other,
            {},
            0,
            true},
    Meaning{"throttle:hw_slowdown",
            "clocks halved or worse by hardware",
            Class::live,
            {},
            30 * kSecond},
    Meaning{
        "throttle:hw_thermal", "clocks halved or worse: too hot", Class::live, {}, 30 * kSecond},
    Meaning{"throttle:hw_power_brake",
            "clocks halved or worse: power brake",
            Class::live,
            {},
            30 * kSecond},
    Meaning{"nvml:no_answer", "NVML does not answer for this device", Class::report},
    Meaning{"nvml:hangs", "NVML does not answer at all", Class::report},
};

std::optional<unsigned> xid_of(std::string_view code) {
  if (!code.starts_with("xid:")) return std::nullopt;
  return number_in<unsigned>(code.substr(4));
}

/// The class of XIDs 144-150, whose text has the severity: "Nonfatal ...", "Fatal ...", "Link Fatal
/// ...".
Class nvlink_unit(std::string_view detail) {
  if (mentions(detail, "nonfatal") || mentions(detail, "non-fatal")) {
    return mentions(detail, "154_eval") ? Class::restart_same : Class::ignore;
  }
  if (mentions(detail, "link fatal") || mentions(detail, "link-fatal")) return Class::live_deadline;
  if (mentions(detail, "fatal")) return Class::restart_other;
  return Class::report;
}

}  // namespace

const char* to_string(Class action_class) {
  switch (action_class) {
    case Class::ignore: return "ignore";
    case Class::report: return "report";
    case Class::live_low: return "live_low";
    case Class::live: return "live";
    case Class::live_deadline: return "live_deadline";
    case Class::restart_same: return "restart_same";
    case Class::contained: return "contained";
    case Class::restart_other: return "restart_other";
    case Class::node: return "node";
  }
  return "";
}

bool may_copy(Class action_class) {
  return action_class != Class::restart_other && action_class != Class::node &&
         action_class != Class::contained;
}

int urgency(Class action_class) {
  switch (action_class) {
    case Class::ignore:
    case Class::report:
    case Class::restart_same: return 0;
    case Class::live_low: return 1;
    case Class::live: return 2;
    case Class::contained:
    case Class::restart_other: return 3;
    case Class::node: return 4;
    case Class::live_deadline: return 5;  // what can still be saved is saved first
  }
  return 0;
}

const std::vector<XidRow>& xid_rows() {
  static const std::vector<XidRow> rows(kXids.begin(), kXids.end());
  return rows;
}

const std::vector<Meaning>& signal_rows() {
  static const std::vector<Meaning> rows(kSignals.begin(), kSignals.end());
  return rows;
}

Meaning meaning_of(std::string_view code, std::string_view detail) {
  if (const auto xid = xid_of(code)) {
    for (const auto& row : kXids) {
      if (*xid < row.first || *xid > row.last) continue;
      auto meaning = row.meaning;
      if (row.first == 144) meaning.action_class = nvlink_unit(detail);
      return meaning;
    }
    return {{}, "not in the table: ask NVIDIA's catalog", Class::report};
  }
  for (const auto& row : kSignals) {
    if (row.code == code) return row;
  }
  return {{}, {}, Class::report};
}

bool supersedes(std::string_view better, std::string_view code) {
  return code == "xid:48" &&
         (better == "xid:94" || better == "xid:95" || better.starts_with("recovery:"));
}

std::string recovery_code(unsigned action) {
  switch (action) {
    case 0: return {};
    case 1: return "recovery:gpu_reset";
    case 2: return "recovery:node_reboot";
    case 3: return "recovery:drain_p2p";
    case 4: return "recovery:drain_and_reset";
    case 5: return "recovery:bus_reset";
    // The IMEX domain has had several numbers. For an unknown action nothing is copied from the
    // device.
    default: return "recovery:other";
  }
}

}  // namespace cardswap::health
