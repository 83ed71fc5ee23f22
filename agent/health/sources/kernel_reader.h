#pragma once

#include <array>
#include <string>
#include <string_view>
#include <vector>

#include "agent/health/sources/driver_message.h"
#include "agent/health/sources/kernel_record.h"

namespace cardswap::health {

/// How the reader judged a line of the kernel log.
enum class LineFate : std::uint8_t {
  nothing,  ///< not a line of the driver
  fault,
  well,
  unplaced,    ///< the driver's, in an unknown form or words: counted and reported
  not_kernel,  ///< a process wrote it: refused
  other_host,  ///< the line names another host
  too_old,     ///< older than this boot, or read before
};
inline constexpr std::size_t kLineFates = 7;
[[nodiscard]] const char* to_string(LineFate fate);

/// What a line brings.
struct KernelNews {
  LineFate fate = LineFate::nothing;
  std::vector<DriverFault> faults;
  std::string why;           ///< for `unplaced`: what the reader does not understand
  std::string sample;        ///< the line, made safe
  bool timed = false;        ///< the line has a time
  bool begins_boot = false;  ///< lines without a time before it belong to a former boot
};

/// Turns the lines of one kernel log into findings. Pure: knows no file and no clock.
class KernelReader {
 public:
  /// `names`: this host's names in its log. In a file that many hosts write, only lines with one of
  /// them count.
  KernelReader(LogForm form, std::vector<std::string> names, std::string boot)
      : form_(form), names_(std::move(names)), boot_(std::move(boot)) {}

  /// Which lines are new while older ones are read too.
  struct Since {
    Ms wall = 0;              ///< older lines are not new; 0: all are
    bool other_boot = false;  ///< lines without a time are of a former boot until this one begins
  };
  [[nodiscard]] KernelNews read(std::string_view line, Ms now, const Since& since);
  [[nodiscard]] KernelNews read(std::string_view line, Ms now) { return read(line, now, Since()); }
  /// Whether the reader may stop here: no message or record is half read.
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
