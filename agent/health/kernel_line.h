#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace cardswap::health {

/// An XID in a line of the kernel log. `NVRM: Xid (PCI:0000:3b:00): 79, pid=1234, name=python, ...`
struct XidLine {
  std::string pci;  ///< "0000:3b:00"
  unsigned xid = 0;
  std::optional<int> pid;
  std::string detail;  ///< what follows the number; made safe
  /// XID 154 only: the recovery action that the driver asks for now.
  std::optional<unsigned> recovery;
};

/// Nothing when the line is no XID of a GPU. The line may hold any bytes: a /dev/kmsg record, a
/// line of dmesg, or what a program wrote there to fool its reader. Only a line whose message
/// begins with the driver's words counts, and never one that a process wrote (kmsg facility 1 and
/// up).
[[nodiscard]] std::optional<XidLine> xid_line(std::string_view line);

}  // namespace cardswap::health
