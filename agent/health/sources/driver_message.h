#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/health/decisions/finding.h"

namespace cardswap::health {

/// An XID in a line of the kernel log. `NVRM: Xid (PCI:0000:3b:00): 79, pid=1234, name=python, ...`
struct XidLine {
  std::string pci;  ///< "0000:3b:00"
  unsigned xid = 0;
  std::optional<int> pid;
  std::string instance;  ///< with MIG: "GPU-I:05", as the driver writes it
  std::string detail;    ///< the text after the number, instance first; made safe by excerpt()
  /// The recovery action that the driver asks for now; XID 154 only.
  std::optional<unsigned> recovery;
};

/// Reads a line; nothing if it is no XID of a GPU. The line may hold any bytes: a /dev/kmsg record,
/// a line of dmesg or of a log file (kernel_record.h), or text that a program wrote there to fool
/// its reader. A line counts only if its message begins with the driver's words and no process
/// wrote it (kmsg facility 1 and up).
[[nodiscard]] std::optional<XidLine> xid_line(std::string_view line);

/// A fault that the driver reports, as an XID or in other words.
struct DriverFault {
  std::string code;  ///< "xid:79", "reset_required"; "driver:..." if no device is named
  std::string pci;   ///< empty: some device of this host
  std::string detail;
  std::optional<int> pid;
  std::optional<unsigned> recovery;
};

/// Reads the driver's messages line by line; some messages take several lines. Pure.
class DriverMessageParser {
 public:
  /// What a message says.
  enum class Verdict : std::uint8_t {
    fault,
    well,            ///< known words that are no fault
    unreadable_xid,  ///< an XID in another form
    unknown_words,   ///< not understood
  };
  /// Reads a message, which begins with "NVRM:" and may hold several of its lines, as a log escapes
  /// them. Returns the worst finding; appends faults to `faults`.
  Verdict parse(std::string_view message, std::vector<DriverFault>& faults);
  /// Whether a message has begun and not ended.
  [[nodiscard]] bool is_mid_message() const { return lines_left_ > 0; }

 private:
  Verdict parse_line(std::string_view words, std::vector<DriverFault>& faults);

  std::string pci_;  ///< PCI address in the message that has not ended
  int lines_left_ = 0;
};

}  // namespace cardswap::health
