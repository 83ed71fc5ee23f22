#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/health/finding.h"

namespace cardswap::health {

/// An XID in a line of the kernel log. `NVRM: Xid (PCI:0000:3b:00): 79, pid=1234, name=python, ...`
struct XidLine {
  std::string pci;  ///< "0000:3b:00"
  unsigned xid = 0;
  std::optional<int> pid;
  std::string instance;  ///< with MIG: "GPU-I:05", as the driver writes it
  std::string detail;    ///< what follows the number, the instance before it; made safe
  /// XID 154 only: the recovery action that the driver asks for now.
  std::optional<unsigned> recovery;
};

/// Nothing when the line is no XID of a GPU. The line may hold any bytes: a /dev/kmsg record, a
/// line of dmesg or of a log file (kernel_record.h), or what a program wrote there to fool its
/// reader. Only a line whose message begins with the driver's words counts, and never one that a
/// process wrote (kmsg facility 1 and up).
[[nodiscard]] std::optional<XidLine> xid_line(std::string_view line);

/// A fault that the driver tells of in other words than an XID, or in an XID.
struct DriverFault {
  std::string code;  ///< "xid:79", "reset_required"; "driver:..." where no device is named
  std::string pci;   ///< empty: of some device of this host
  std::string detail;
  std::optional<int> pid;
  std::optional<unsigned> recovery;
};

/// What the driver says, line by line: some of its messages go over several. Pure.
class DriverVoice {
 public:
  enum class Heard : std::uint8_t {
    fault,
    well,            ///< words that are no fault
    unreadable_xid,  ///< an XID in another form
    unknown_words,   ///< might be anything
  };
  /// `message` begins with "NVRM:" and may hold several of its lines, as a log escapes them.
  /// The worst that was heard; faults are added to `faults`.
  Heard hear(std::string_view message, std::vector<DriverFault>& faults);
  /// In the midst of a message.
  [[nodiscard]] bool speaks() const { return lines_left_ > 0; }

 private:
  Heard hear_line(std::string_view words, std::vector<DriverFault>& faults);

  std::string pci_;  ///< that the message which goes on is about
  int lines_left_ = 0;
};

}  // namespace cardswap::health
