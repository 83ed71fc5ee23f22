#pragma once

#include <array>
#include <boost/json/object.hpp>
#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "agent/base/address.h"
#include "agent/handover/answers.h"
#include "agent/handover/source_side.h"
#include "agent/handover/timeline.h"
#include "agent/process/process.h"
#include "migrator/core/digest.h"
#include "migrator/core/error.h"
#include "migrator/core/migration_spec.h"
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

/// What the source's agent hears of the target's, and waits for. Forgotten by a restart.
struct TargetContact {
  std::array<bool, handover::kMessageKinds> under_way{};  ///< what is not answered yet
  std::uint64_t calls = 0;                                ///< that came back, whatever came of them
  std::uint64_t version = 0;                              ///< of the last status
  std::optional<TargetStatus> status;                     ///< the last
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

/// A migration as the source's agent runs it.
struct Migration {
  std::string id;
  std::uint64_t version = 1;
  MigrationSpec spec;  ///< as asked for, with what the agent chose where that was open
  std::string job_uid;
  std::string instance;  ///< of the source's process
  std::string from;
  handover::SourceSide side{handover::SourceRecord{}};  ///< its state, epochs and content
  MigrationStats stats;
  std::string result;  ///< empty while it runs
  std::optional<Error> error;
  bool job_ended = false;            ///< its process was gone when the migration was given up
  std::string warning;               ///< what its standby does that may harm the job; or empty
  double predicted_downtime_ms = 0;  ///< when it converged: hold and downtime together
  double downtime_ms = 0;
  double clock_error_ms = 0;
  std::vector<std::pair<std::string, std::int64_t>> history;
  std::int64_t started_at_ms = 0;
  std::int64_t ended_at_ms = 0;
  std::string forced;  ///< by an operator, to "source" or "target"; or empty
  std::string hold_at;
  Timeline timeline;    ///< journalled when it is over
  ProcessMove process;  ///< where CRIU moves it
  ProcessId keeper;     ///< of the memory that was sent ahead; from `freezing` on
  // not journalled:
  /// Shared by the tasks that work on it: it is not forgotten meanwhile.
  std::shared_ptr<void> in_use = std::make_shared<char>();
  bool held = false;
  bool proceed = false;
  std::optional<Error> failure;  ///< why it cannot go on; noticed at the next wait
  bool converged = false;
  std::optional<std::uint64_t> frozen_at;
  std::optional<Digest> verified;
  std::optional<channel::Departed> departed;
  std::optional<std::chrono::steady_clock::time_point> frozen_time;
  TargetContact target;
  bool begin_sync_is_due = false;             ///< held back by a failpoint
  std::optional<handover::TargetState> copy;  ///< what the target said last, while `open()`
  std::string lost;  ///< why the job's process here can go on no more; or empty
  bool released = false;
  bool continuing = false;     ///< its stopped processes are being let go on
  bool gpus_are_back = false;  ///< and have their state in a driver again

  [[nodiscard]] handover::State state() const { return side.state(); }
  /// That the target is granted.
  [[nodiscard]] handover::Epoch epoch() const { return side.record().epoch; }
  /// That the source's trainer has or goes on under.
  [[nodiscard]] handover::Epoch own_epoch() const { return side.record().own; }
  /// Forced to the source: its target must still say that nothing steps there.
  [[nodiscard]] bool open() const { return side.record().open; }
  /// The digest of what was committed; empty: nothing was.
  [[nodiscard]] std::string root() const;
  [[nodiscard]] std::uint64_t migrated_at_step() const { return side.record().content.step; }
  /// Neither decided nor given up yet.
  [[nodiscard]] bool walks() const;
  /// That the job was on.
  [[nodiscard]] std::string device() const { return from.substr(from.rfind('/') + 1); }
};

[[nodiscard]] boost::json::object to_json(const Migration& migration);
/// How it went: samples, the downtime's parts, what is known of the target (docs/api.md).
[[nodiscard]] boost::json::object timeline_json(const Migration& migration);
/// to_json(), with the samples once it is over.
[[nodiscard]] boost::json::object journal_record(const Migration& migration);
[[nodiscard]] Migration migration_from_journal(const boost::json::object& record);
/// What to do where its target has no room or no such device.
[[nodiscard]] std::string another_device(const Migration& migration);

}  // namespace cardswap
