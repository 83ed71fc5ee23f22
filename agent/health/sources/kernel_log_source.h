#pragma once

#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "agent/health/sources/health_context.h"
#include "agent/health/sources/kernel_reader.h"
#include "agent/health/sources/log_cursor.h"

namespace cardswap::health {

/// The kernel log as a source: follows it from where a former agent stopped, and reports the
/// driver's faults. One thread.
class KernelLogSource {
 public:
  explicit KernelLogSource(const HealthScope& scope);
  KernelLogSource(const KernelLogSource&) = delete;
  KernelLogSource& operator=(const KernelLogSource&) = delete;

  /// Starts to follow the log; does nothing if none is configured.
  void start();
  /// Writes how far the log was read: at once after a fault, else every 5 s. Call it only when
  /// everything that was reported is on disk. A failure is logged.
  void save_cursor();

 private:
  void take(std::string_view line, const KernelReader::Since& since);
  void take_faults(const KernelNews& news, const KernelReader::Since& since);
  void report(const DriverFault& fault);
  void note_gap(const std::string& what);

  asio::io_context& io_;
  TaskGroup& tasks_;
  const Config& config_;
  JournalledEngine& journalled_;
  HealthCounters& counters_;
  KernelReader reader_;
  std::set<std::string> logged_kinds_;  ///< kinds of unknown lines that got their event
  std::vector<DriverFault> held_;       ///< from lines that may belong to a former boot
  LogCursor cursor_;                    ///< everything before it was reported
  LogCursor saved_cursor_;
  Ms cursor_saved_at_ = 0;
  bool saw_fault_ = false;  ///< there was a fault after saved_cursor_
};

}  // namespace cardswap::health
