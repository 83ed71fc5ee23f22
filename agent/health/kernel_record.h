#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "agent/health/finding.h"

namespace cardswap::health {

/// Where kernel lines come from: the device, whose every record says who wrote it, or a file or
/// fifo that a log daemon fills in a form of its own.
enum class LogForm : std::uint8_t { kmsg, file };

/// A line of a kernel log, taken apart into what stands before the message and the message.
struct KernelRecord {
  enum class Kind : std::uint8_t {
    message,
    not_kernel,    ///< a process wrote it, and the line says so
    unknown_form,  ///< what stands before the driver's words is no form that is known
    nothing,       ///< no line of the kernel that says anything here
  };
  Kind kind = Kind::nothing;
  std::string text;                       ///< from the driver's "NVRM:" on
  std::string host;                       ///< that the line names; empty: none
  std::string boot;                       ///< boot id, where the form has it
  std::optional<Ms> at;                   ///< by the clock on the wall
  std::optional<double> uptime;           ///< seconds since boot
  std::optional<std::uint64_t> sequence;  ///< of /dev/kmsg
};

/// Reads lines that hold the driver's "NVRM:": records of /dev/kmsg; dmesg's lines, with -T, -x, -r
/// or ISO times; what rsyslog and `journalctl -o short*` write ("May 27 16:50:10 node7 kernel: ",
/// ISO times with zone and fraction, with or without [seconds]); a line of `journalctl -o json`.
/// Any bytes; `now` gives times without a year theirs. In a form that says who wrote a line, only
/// the kernel's count. Pure.
[[nodiscard]] KernelRecord record_of(std::string_view line, LogForm form, Ms now);

/// The fields of a record of the journal, from JSON or from its export form.
struct JournalFields {
  std::string message, transport, facility, identifier, host, boot, realtime_us;
  /// Takes one of the fields above; others are passed over.
  void take(std::string_view name, std::string_view value);
  [[nodiscard]] KernelRecord record() const;
};

/// The sequence number of a record of /dev/kmsg: "4,1234,98765,-;message".
[[nodiscard]] std::optional<std::uint64_t> kmsg_sequence(std::string_view record);

}  // namespace cardswap::health
