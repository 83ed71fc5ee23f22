#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/health/decisions/finding.h"

namespace cardswap::health {

/// An XID in a line of the kernel log: `NVRM: Xid (PCI:0000:3b:00): 79, pid=1234, name=python, ...`
struct XidLine {
  std::string pci;  ///< "0000:3b:00"
  unsigned xid = 0;
  std::optional<int> pid;
  std::string instance;  ///< with MIG: "GPU-I:05", as the driver writes it; else empty
  /// The instance, if there is one, and the text after the number; made safe by excerpt().
  std::string detail;
  /// The recovery action that the driver asks for now; XID 154 only.
  std::optional<unsigned> recovery;
};

/// Reads a line; nothing if it has no XID of a GPU. The line may hold any bytes: a record of
/// /dev/kmsg, a line of dmesg or of a log file (kernel_record.h), or what a program wrote there to
/// deceive its reader. It counts only if its message begins with the driver's "NVRM:" and the
/// kernel wrote it, as far as the line says who did (kmsg facility 0).
[[nodiscard]] std::optional<XidLine> xid_line(std::string_view line);

/// A fault that the driver reports, as an XID or as another message.
struct DriverFault {
  std::string code;  ///< "xid:79", "reset_required"; "driver:..." if no device is named
  std::string pci;   ///< empty: some device of this host
  std::string detail;
  std::optional<int> pid;
  std::optional<unsigned> recovery;
};

/// Reads the driver's messages, some of which take several lines. Pure.
class DriverMessageParser {
 public:
  /// What a message is.
  enum class Verdict : std::uint8_t {
    fault,
    well,            ///< a known text that is no fault
    unreadable_xid,  ///< an XID in an unknown form
    unknown_words,   ///< an unknown text
  };
  /// Reads a message, which begins with "NVRM:" and may hold several lines, separated as a log
  /// escapes them. Appends its faults to `faults`. Returns `fault` if there was one; else the
  /// verdict on the first line that was not understood; else `well`.
  Verdict parse(std::string_view message, std::vector<DriverFault>& faults);
  /// Whether a message has begun that may go on in the next line.
  [[nodiscard]] bool is_mid_message() const { return lines_left_ > 0; }

 private:
  Verdict parse_line(std::string_view words, std::vector<DriverFault>& faults);

  std::string pci_;  ///< the device of the message that may go on
  int lines_left_ = 0;
};

}  // namespace cardswap::health
