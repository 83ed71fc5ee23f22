#pragma once

#include <boost/json/object.hpp>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "agent/handover/base/stored_snapshot.h"
#include "agent/handover/protocol/migration_side.h"
#include "agent/handover/protocol/source_side.h"
#include "agent/handover/source/migration_result.h"
#include "agent/handover/source/transfer_record.h"
#include "migrator/base/error.h"
#include "migrator/plan/migration_spec.h"

namespace cardswap {

/// The fields of a migration's record that describe its progress and decide nothing.
struct MigrationNotes {
  std::optional<MigrationResult> result;  ///< nullopt while it runs
  std::optional<Error> error;
  bool job_ended = false;  ///< a process of the job was gone when the migration was given up
  std::int64_t ended_at_ms = 0;
  StoredSnapshot stored;  ///< a snapshot: what the keeper reported once it had published it
  /// The latest state that the target reported while a notice is pending. Not read back: a
  /// restarted agent asks again.
  std::optional<handover::TargetState> target_state_seen;
};

/// The journal's record of a migration as a whole. Each rank that moves has a TransferRecord
/// besides.
struct MigrationRecord : MigrationNotes {
  std::string id;
  std::uint64_t version = 1;
  MigrationSpec spec;  ///< as asked for, with what the agent chose if that was open
  std::string job_uid;
  handover::SourceSide side{handover::SourceDurable{}};       ///< its state, epochs and content
  std::vector<std::pair<std::string, std::int64_t>> history;  ///< states, and when (Unix time, ms)
  std::int64_t started_at_ms = 0;
  std::optional<MigrationSide> forced;  ///< by an operator

  [[nodiscard]] handover::SourceState state() const { return side.state(); }
  /// The epoch under which the target is granted the job.
  [[nodiscard]] handover::Epoch epoch() const { return side.durable().epoch; }
  /// The epoch under which the source's trainer steps or goes on.
  [[nodiscard]] handover::Epoch own_epoch() const { return side.durable().own_epoch; }
  /// Whether it was forced to the source, and its target has not yet confirmed that no process
  /// steps there.
  [[nodiscard]] bool has_pending_notice() const { return side.durable().notice_pending; }
  /// The digest of the committed content; empty: nothing was committed.
  [[nodiscard]] std::string state_digest() const;
  [[nodiscard]] std::uint64_t migrated_at_step() const { return side.durable().content.step; }
  /// Whether it is neither decided nor given up yet.
  [[nodiscard]] bool is_before_commit() const;
  /// Whether it is a snapshot: the job does not move.
  [[nodiscard]] bool is_to_store() const { return !spec.store.empty(); }
};

/// The record without its transfers, under the names of the API, which are the journal's too.
[[nodiscard]] boost::json::object to_journal(const MigrationRecord& record);
/// Reads both forms of to_journal(), without transfers. Throws Error{corrupt} if the state cannot
/// be read or a number is out of range. A state digest that is no digest is logged, and left empty.
[[nodiscard]] MigrationRecord migration_record_from_journal(const boost::json::object& json);

/// The migration's whole record on disk: with its transfers, and with their timelines once it is
/// over.
[[nodiscard]] boost::json::object to_journal(const MigrationRecord& record,
                                             std::span<const TransferRecord> transfers);

}  // namespace cardswap
