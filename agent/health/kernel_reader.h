#pragma once

#include <array>
#include <string>
#include <string_view>
#include <vector>

#include "agent/health/kernel_line.h"
#include "agent/health/kernel_record.h"

namespace cardswap::health {

/// What became of a line of the kernel log that the driver may have written.
enum class LineFate : std::uint8_t {
  nothing,  ///< not the driver's
  fault,
  well,
  unplaced,    ///< the driver's words, but form or words are not known: counted and told
  not_kernel,  ///< a process wrote it: refused
  other_host,  ///< the line names another host
  too_old,     ///< older than this host's boot, or read before
};
inline constexpr std::size_t kLineFates = 7;
[[nodiscard]] const char* to_string(LineFate fate);

struct KernelNews {
  LineFate fate = LineFate::nothing;
  std::vector<DriverFault> faults;
  std::string why;           ///< unplaced and the like: what is not understood
  std::string sample;        ///< the line, made safe
  bool timed = false;        ///< it says when it was written
  bool begins_boot = false;  ///< untimed lines before it were of a former boot after all
};

/// Makes news of the lines of one kernel log. Pure: it knows no file and no clock.
class KernelReader {
 public:
  /// `names`: what this host is called in its log; in a file that many hosts write, only its own
  /// lines count.
  KernelReader(LogForm form, std::vector<std::string> names, std::string boot)
      : form_(form), names_(std::move(names)), boot_(std::move(boot)) {}

  /// Which lines are news while old ones are read again or for the first time.
  struct Since {
    Ms wall = 0;              ///< older ones are not; 0: all are
    bool other_boot = false;  ///< lines without a time are of a former boot until this one begins
  };
  [[nodiscard]] KernelNews read(std::string_view line, Ms now, const Since& since);
  [[nodiscard]] KernelNews read(std::string_view line, Ms now) { return read(line, now, Since()); }
  /// A file may be left here: no message or record is half read.
  [[nodiscard]] bool settled() const { return !exporting_ && !voice_.speaks(); }

 private:
  [[nodiscard]] bool too_old(const KernelRecord& record, const Since& since) const;
  [[nodiscard]] bool of_this_host(const KernelRecord& record) const;
  bool take_export(std::string_view line, KernelRecord& record);

  LogForm form_;
  std::vector<std::string> names_;
  std::string boot_;
  DriverVoice voice_;
  JournalFields fields_;    ///< of a record in the journal's export form
  bool exporting_ = false;  ///< in the midst of one
  bool booted_ = false;     ///< the line that begins this boot was there
};

}  // namespace cardswap::health
