#pragma once

#include <boost/json/object.hpp>
#include <cstdint>
#include <string>
#include <string_view>

#include "agent/handover/base/lost_time.h"
#include "agent/handover/source/timeline.h"
#include "agent/process/process.h"
#include "migrator/plan/migration_stats.h"

namespace cardswap {

/// Where the downtime of a process that CRIU moved went. Milliseconds.
struct ProcessMove {
  double freeze_ms = 0;  ///< from the last step until the process was ready to be dumped
  double dump_ms = 0;
  double ship_ms = 0;
  double restore_ms = 0;
  double driver_suspend_ms = 0;  ///< CUDA state taken off the GPUs; 0: it has none
  double driver_resume_ms = 0;   ///< and put back at the target
  double verify_ms = 0;  ///< the target's: from the restored process to the digests it found
  std::uint64_t image_bytes = 0;
};

/// What the state `verifying` consists of for such a process. Each can be held like a state.
enum class CriuPhase : std::uint8_t { departing, dumping, shipping, restoring };
constexpr CriuPhase last_of(CriuPhase) { return CriuPhase::restoring; }
/// "dumping".
[[nodiscard]] std::string_view to_string(CriuPhase phase);
[[nodiscard]] MigrationPhase phase_of(CriuPhase phase);

/// The journal's record of one rank on its way: what moves, how far it has come, and how long it
/// took.
struct TransferRecord {
  std::uint32_t rank = 0;
  std::string instance;  ///< of the source's process
  std::string from;      ///< "gpu-a/cuda:0", for people
  std::string to;        ///< the target's agent and device: host:port/device
  MigrationStats stats;
  double predicted_downtime_ms = 0;  ///< when it converged: hold and downtime together, ...
  double predicted_stall_ms = 0;     ///< ... the longest that one step is late, ...
  double predicted_lost_ms = 0;      ///< ... and all lateness, as earlier moves correct them
  double raw_stall_ms = 0;           ///< the same as the engine predicted them
  double raw_lost_ms = 0;
  std::uint32_t predicted_from_moves = 0;  ///< that they were corrected by; 0: they were not
  double downtime_ms = 0;
  double clock_error_ms = 0;
  LostTime lost_time;
  std::string warning;  ///< what its standby does that may harm the job; or empty
  Timeline timeline;    ///< on disk when the migration is over
  ProcessMove process;  ///< where CRIU moves it
  ProcessId keeper;     ///< of the memory that was sent ahead; from `freezing` on

  /// The two sides' steps, before anything commits, left the same bytes.
  [[nodiscard]] bool has_passed_rehearsal() const { return has_passed(stats.rehearsal); }
  /// The device that the process was on.
  [[nodiscard]] std::string device() const { return from.substr(from.rfind('/') + 1); }
};

/// The transfer as the API shows it. The journal has more of it: journal_record().
[[nodiscard]] boost::json::object to_json(const TransferRecord& transfer);
/// The transfer as the journal has it, without the timeline.
[[nodiscard]] boost::json::object journal_record(const TransferRecord& transfer);
[[nodiscard]] TransferRecord transfer_from_journal(const boost::json::object& record);

}  // namespace cardswap
