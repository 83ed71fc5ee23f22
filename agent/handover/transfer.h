#pragma once

#include <array>
#include <boost/json/object.hpp>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/handover/answers.h"
#include "agent/handover/lost_time.h"
#include "agent/handover/protocol.h"
#include "agent/handover/timeline.h"
#include "agent/process/process.h"
#include "migrator/core/digest.h"
#include "migrator/core/stats.h"
#include "migrator/wire/channel.h"

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

/// Whether `text` names a phase of that, within the state `verifying`: it can be held like a state.
[[nodiscard]] bool is_criu_phase(std::string_view text);

/// What the source's agent hears of the target's, and waits for. Forgotten by a restart.
struct TargetContact {
  std::array<bool, handover::kMessageKinds> under_way{};  ///< what is not answered yet
  std::uint64_t calls = 0;             ///< calls that came back, whatever came of them
  std::uint64_t version = 0;           ///< of the last status
  std::optional<TargetStatus> status;  ///< the last
  std::chrono::steady_clock::time_point heard = std::chrono::steady_clock::now();
  double round_trip_ms = 1e9;  ///< the shortest of those that were measured
  int round_trips = 0;
  bool accepted = false;  ///< the reservation
  bool granted = false;   ///< the grant was answered, be it by a refusal: its state says which
  bool silent = false;    ///< the last call was not answered
  std::string failure;    ///< of the last call that failed
  bool dropped = false;   ///< nothing is there any more, or nobody who can be told
  bool awaited = false;   ///< somebody waits for news: it is asked for them, not for its state
  std::string refused_by_the_disk;           ///< what was heard; logged once
  std::vector<handover::Message> kept_back;  ///< by a failpoint
};

/// One rank of a job on its way from a process here to one at the target: what moves, how far that
/// is, and what its two ends have said. What is decided is its migration's, for all ranks at once.
struct Transfer {
  std::uint32_t rank = 0;
  std::string instance;  ///< of the source's process
  std::string from;      ///< "gpu-a/cuda:0", for people
  std::string to;        ///< the target's agent and device: host:port/device
  MigrationStats stats;
  double predicted_downtime_ms = 0;  ///< when it converged: hold and downtime together, ...
  double predicted_stall_ms = 0;     ///< ... the longest that one step is late, ...
  double predicted_lost_ms = 0;      ///< ... and all lateness
  double downtime_ms = 0;
  double clock_error_ms = 0;
  LostTime lost_time;
  std::string warning;  ///< what its standby does that may harm the job; or empty
  Timeline timeline;    ///< journalled when the migration is over
  ProcessMove process;  ///< where CRIU moves it
  ProcessId keeper;     ///< of the memory that was sent ahead; from `freezing` on
  // not journalled:
  bool converged = false;
  std::optional<std::uint64_t> frozen_at;  ///< the step
  std::optional<Digest> verified;          ///< by the source's engine: what both ends hold
  std::optional<channel::Departed> departed;
  std::optional<std::chrono::steady_clock::time_point> frozen_time;
  TargetContact target;
  std::string lost;  ///< why the process here can go on no more; or empty
  bool released = false;
  bool continuing = false;     ///< its stopped processes are being let go on
  bool gpus_are_back = false;  ///< and have their state in a driver again

  /// The two sides' steps, before anything commits, left the same bytes.
  [[nodiscard]] bool passed_rehearsal() const {
    return stats.rehearsal == "equal" || stats.rehearsal == "rounding";
  }
  /// The device that the process was on.
  [[nodiscard]] std::string device() const { return from.substr(from.rfind('/') + 1); }
};

/// The transfer as the API shows it. The journal has more of it: journal_record().
[[nodiscard]] boost::json::object to_json(const Transfer& transfer);
/// The transfer as the journal has it, without the timeline.
[[nodiscard]] boost::json::object journal_record(const Transfer& transfer);
[[nodiscard]] Transfer transfer_from_journal(const boost::json::object& record);

}  // namespace cardswap
