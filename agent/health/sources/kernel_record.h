#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "agent/health/decisions/finding.h"

namespace cardswap::health {

/// Source of kernel lines: the device, where each record says who wrote it, or a file or fifo that
/// a log daemon fills in its own form.
enum class LogForm : std::uint8_t { kmsg, file };

/// A line of a kernel log, split into its prefix and its message.
struct KernelRecord {
  /// What kind of line it is.
  enum class Kind : std::uint8_t {
    message,
    not_kernel,    ///< the line says that a process wrote it
    unknown_form,  ///< the prefix before the driver's words is not known
    nothing,       ///< not a line of interest
  };
  Kind kind = Kind::nothing;
  std::string text;                       ///< from the driver's "NVRM:" on
  std::string host;                       ///< the host's name in the line; empty: none
  std::string boot;                       ///< boot id, if the form has one
  std::optional<Ms> at;                   ///< wall-clock time
  std::optional<double> uptime;           ///< seconds since boot
  std::optional<std::uint64_t> sequence;  ///< of /dev/kmsg
};

/// Reads lines that hold the driver's "NVRM:": records of /dev/kmsg; dmesg's lines, with -T, -x, -r
/// or ISO times; what rsyslog and `journalctl -o short*` write ("May 27 16:50:10 node7 kernel: ",
/// ISO times with zone and fraction, with or without [seconds]); a line of `journalctl -o json`.
/// Takes any bytes; `now` supplies the year of times without one. In a form that says who wrote a
/// line, only the kernel's lines count. Pure.
[[nodiscard]] KernelRecord record_of(std::string_view line, LogForm form, Ms now);

/// The fields of a record of the journal, from JSON or from its export form.
struct JournalFields {
  std::string message, transport, facility, identifier, host, boot, realtime_us;
  /// Takes one of the fields above; skips others.
  void take(std::string_view name, std::string_view value);
  [[nodiscard]] KernelRecord record() const;
};

/// The sequence number of a record of /dev/kmsg: "4,1234,98765,-;message".
[[nodiscard]] std::optional<std::uint64_t> kmsg_sequence(std::string_view record);

}  // namespace cardswap::health
