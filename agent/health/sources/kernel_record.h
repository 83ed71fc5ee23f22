#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "agent/health/decisions/finding.h"

namespace cardswap::health {

/// The form of a log: /dev/kmsg, where each record says who wrote it, or a file or fifo that a log
/// daemon fills in its own form.
enum class LogForm : std::uint8_t { kmsg, file };

/// A line of a kernel log, split into its prefix and its message.
struct KernelRecord {
  /// What kind of line it is.
  enum class Kind : std::uint8_t {
    message,
    not_kernel,    ///< the line says that a process wrote it
    unknown_form,  ///< the text before the driver's "NVRM:" is not known
    nothing,       ///< no message of the driver
  };
  Kind kind = Kind::nothing;
  std::string text;                       ///< from the driver's "NVRM:" on
  std::string host;                       ///< the host's name in the line; empty: none
  std::string boot;                       ///< the boot's id; empty: none
  std::optional<Ms> at;                   ///< wall-clock time
  std::optional<double> uptime;           ///< seconds since boot
  std::optional<std::uint64_t> sequence;  ///< the record's number in /dev/kmsg
};

/// Reads a line that holds the driver's "NVRM:": a record of /dev/kmsg; a line of dmesg, with -T,
/// -x, -r or ISO times; of rsyslog or `journalctl -o short*` ("May 27 16:50:10 node7 kernel: ", ISO
/// times with zone and fraction, with or without [seconds]); or of `journalctl -o json`. Accepts
/// any bytes; `now` gives the year if the line does not. If the form says who wrote a line, only
/// the kernel's lines are messages. Pure.
[[nodiscard]] KernelRecord record_of(std::string_view line, LogForm form, Ms now);

/// The fields of a record of systemd's journal, from JSON or from its export form.
struct JournalFields {
  std::string message, transport, facility, identifier, host, boot, realtime_us;
  /// Takes the value of one of these fields; ignores other fields.
  void take(std::string_view name, std::string_view value);
  [[nodiscard]] KernelRecord record() const;
};

/// The sequence number of a record of /dev/kmsg, 1234 in "4,1234,98765,-;message"; nothing if it is
/// not one.
[[nodiscard]] std::optional<std::uint64_t> kmsg_sequence(std::string_view record);

}  // namespace cardswap::health
