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

/// The part of a migration's record that tells how it goes and decides nothing.
struct MigrationNotes {
  std::optional<MigrationResult> result;  ///< none while it runs
  std::optional<Error> error;
  bool job_ended = false;  ///< a process of it was gone when the migration was given up
  std::int64_t ended_at_ms = 0;
  StoredSnapshot stored;  ///< of a snapshot, once it is in its store
  /// The target's state as it said last, while a notice is pending. A restarted agent asks anew.
  std::optional<handover::TargetState> copy;
};

/// What the journal holds of a migration as a whole; beside it a TransferRecord for each rank that
/// moves.
struct MigrationRecord : MigrationNotes {
  std::string id;
  std::uint64_t version = 1;
  MigrationSpec spec;  ///< as asked for, with what the agent chose where that was open
  std::string job_uid;
  handover::SourceSide side{handover::SourceRecord{}};  ///< its state, epochs and content
  std::vector<std::pair<std::string, std::int64_t>> history;
  std::int64_t started_at_ms = 0;
  std::optional<MigrationSide> forced;  ///< by an operator

  [[nodiscard]] handover::State state() const { return side.state(); }
  /// The epoch that the target is granted under.
  [[nodiscard]] handover::Epoch epoch() const { return side.record().epoch; }
  /// The epoch that the source's trainer has or goes on under.
  [[nodiscard]] handover::Epoch own_epoch() const { return side.record().own_epoch; }
  /// Whether it was forced to the source, and its target must still say that nothing steps there.
  [[nodiscard]] bool has_pending_notice() const { return side.record().notice_pending; }
  /// The digest of what was committed; empty: nothing was.
  [[nodiscard]] std::string root() const;
  [[nodiscard]] std::uint64_t migrated_at_step() const { return side.record().content.step; }
  /// Whether it is neither decided nor given up yet.
  [[nodiscard]] bool is_before_commit() const;
  /// Whether it is a snapshot: nothing moves.
  [[nodiscard]] bool is_to_store() const { return !spec.store.empty(); }
};

/// The record under the names of the API, which are the journal's too.
[[nodiscard]] boost::json::object record_json(const MigrationRecord& record);
/// Throws Error{corrupt} for one whose state cannot be read.
[[nodiscard]] MigrationRecord record_from_json(const boost::json::object& json);

/// All that is on disk of a migration: record_json() with its transfers, and with their timelines
/// once it is over.
[[nodiscard]] boost::json::object journal_record(const MigrationRecord& record,
                                                 std::span<const TransferRecord> transfers);

}  // namespace cardswap
