#pragma once

#include <array>
#include <string>
#include <string_view>
#include <vector>

#include "agent/health/sources/driver_message.h"
#include "agent/health/sources/kernel_record.h"

namespace cardswap::health {

/// What the reader did with a line of the kernel log.
enum class LineFate : std::uint8_t {
  nothing,     ///< no message of the driver
  fault,       ///< it reports a fault
  well,        ///< a known message that is no fault
  unplaced,    ///< a message of the driver in an unknown form or text: counted and reported
  not_kernel,  ///< a process wrote it: ignored
  other_host,  ///< the line names another host
  too_old,     ///< older than this boot, or read before
};
inline constexpr std::size_t kLineFates = 7;
[[nodiscard]] const char* to_string(LineFate fate);

/// What the reader found in a line.
struct KernelNews {
  LineFate fate = LineFate::nothing;
  std::vector<DriverFault> faults;
  std::string why;     ///< for every fate but nothing, fault and well: why the line is not acted on
  std::string sample;  ///< the line, made safe by excerpt()
  bool timed = false;  ///< the line says its time or its boot
  /// Whether the present boot begins here: earlier lines without a time are of a former boot.
  bool begins_boot = false;
};

/// Turns the lines of one kernel log into faults. Uses no file and no clock; remembers what a line
/// may continue.
class KernelReader {
 public:
  /// `names` are this host's names in its log: a line that names another host does not count; one
  /// without a name does. `boot` is the id of the present boot.
  KernelReader(LogForm form, std::vector<std::string> names, std::string boot)
      : form_(form), names_(std::move(names)), boot_(std::move(boot)) {}

  /// Which lines may be too old, while what was written before is read.
  struct Since {
    Ms wall = 0;              ///< lines with an older time are too old; 0: none is
    bool other_boot = false;  ///< lines without a time are of a former boot until this boot begins
  };
  /// Reads the next line. `now` is the present time, for lines that do not say their year.
  [[nodiscard]] KernelNews read(std::string_view line, Ms now, const Since& since);
  [[nodiscard]] KernelNews read(std::string_view line, Ms now) { return read(line, now, Since()); }
  /// Whether reading may stop and go on here later: no message or record is half read.
  [[nodiscard]] bool is_idle() const { return !exporting_ && !parser_.is_mid_message(); }

 private:
  [[nodiscard]] bool is_too_old(const KernelRecord& record, const Since& since) const;
  [[nodiscard]] bool is_of_this_host(const KernelRecord& record) const;
  bool take_export(std::string_view line, KernelRecord& record);

  LogForm form_;
  std::vector<std::string> names_;
  std::string boot_;
  DriverMessageParser parser_;
  JournalFields fields_;    ///< of a record in the journal's export form
  bool exporting_ = false;  ///< a record has begun and not ended
  bool booted_ = false;     ///< the line that begins this boot was read
};

}  // namespace cardswap::health
