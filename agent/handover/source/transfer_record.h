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

/// The parts of the downtime of a process that CRIU moved.
struct CriuTimes {
  double freeze_ms = 0;  ///< from the last step until the process was ready to be dumped
  double dump_ms = 0;
  double ship_ms = 0;
  double restore_ms = 0;
  double driver_suspend_ms = 0;  ///< taking CUDA state off the GPUs; 0: the process has none
  double driver_resume_ms = 0;   ///< putting CUDA state back at the target
  double verify_ms = 0;  ///< at the target: from the restored process until it has digested itself
  std::uint64_t image_bytes = 0;
};

/// The phases of the state `verifying` for such a process. A failpoint can hold a migration at
/// each.
enum class CriuPhase : std::uint8_t { departing, dumping, shipping, restoring };
constexpr CriuPhase last_of(CriuPhase) { return CriuPhase::restoring; }
/// Names a phase, such as "dumping".
[[nodiscard]] std::string_view to_string(CriuPhase phase);
/// Translates a phase for the statistics that the API shows.
[[nodiscard]] MigrationPhase phase_of(CriuPhase phase);

/// The journal's record of one rank's move: what moves, its progress, and how long it took.
struct TransferRecord {
  std::uint32_t rank = 0;
  std::string instance;  ///< the source's process
  std::string from;      ///< "gpu-a/cuda:0", for people
  std::string to;        ///< the target's agent and device: host:port/device
  MigrationStats stats;
  // Predicted when it converged; 0: not yet.
  double predicted_downtime_ms = 0;  ///< hold and downtime together
  double predicted_stall_ms = 0;  ///< the largest lateness of one step, corrected by earlier moves
  double predicted_lost_ms = 0;   ///< all lateness, corrected by earlier moves
  double raw_stall_ms = 0;        ///< predicted_stall_ms before the correction
  double raw_lost_ms = 0;         ///< predicted_lost_ms before the correction
  std::uint32_t predicted_from_moves = 0;  ///< moves that corrected them; 0: not corrected
  double downtime_ms = 0;
  double clock_error_ms = 0;
  LostTime lost_time;
  std::string warning;  ///< what its standby does that may harm the job; or empty
  Timeline timeline;    ///< on disk only once the migration is over
  CriuTimes process;    ///< filled if CRIU moves the process
  /// Arrive criu: the custodian of the memory sent ahead; set in the state `converged`, shortly
  /// before the freeze.
  ProcessId custodian;

  /// Whether the rehearsal allows the job to go on at the target: both sides have the same bytes,
  /// or differ only by rounding (has_passed()).
  [[nodiscard]] bool has_passed_rehearsal() const { return has_passed(stats.rehearsal); }
  /// The device that the process was on.
  [[nodiscard]] std::string device() const { return from.substr(from.rfind('/') + 1); }
};

/// The transfer as the API shows it. The journal has more of it: to_journal().
[[nodiscard]] boost::json::object to_json(const TransferRecord& transfer);
/// The transfer as the journal has it, without the timeline.
[[nodiscard]] boost::json::object to_journal(const TransferRecord& transfer);
/// Reads to_journal() and the timeline, if there is one. Missing fields keep their defaults. Throws
/// Error{corrupt} if a number is out of range.
[[nodiscard]] TransferRecord transfer_from_journal(const boost::json::object& record);

}  // namespace cardswap
