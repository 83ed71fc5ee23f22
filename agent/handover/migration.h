#pragma once

#include <algorithm>
#include <boost/json/object.hpp>
#include <cstdint>
#include <list>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "agent/base/address.h"
#include "agent/handover/source_side.h"
#include "agent/handover/transfer.h"
#include "migrator/core/error.h"
#include "migrator/core/migration_spec.h"

namespace cardswap {

struct Instance;

/// A migration as the source's agent runs it: the decision, and a Transfer for each rank of the job
/// that moves.
struct Migration {
  Migration() = default;
  Migration(const Migration&) = default;
  Migration(Migration&&) = default;
  /// Forbidden: tasks hold on to its transfers, and none is ever replaced.
  Migration& operator=(const Migration&) = delete;
  Migration& operator=(Migration&&) = delete;
  ~Migration() = default;

  std::string id;
  std::uint64_t version = 1;
  MigrationSpec spec;  ///< as asked for, with what the agent chose where that was open
  std::string job_uid;
  handover::SourceSide side{handover::SourceRecord{}};  ///< its state, epochs and content
  std::string result;                                   ///< empty while it runs
  std::optional<Error> error;
  bool job_ended = false;  ///< a process of it was gone when the migration was given up
  std::vector<std::pair<std::string, std::int64_t>> history;
  std::int64_t started_at_ms = 0;
  std::int64_t ended_at_ms = 0;
  std::string forced;  ///< by an operator, to "source" or "target"; or empty
  std::string hold_at;
  /// The transfers, by rank. A job of one rank, which all are so far, has one.
  std::list<Transfer> transfers = std::list<Transfer>(1);
  // not journalled:
  bool held = false;
  bool proceed = false;
  std::optional<Error> failure;               ///< why it cannot go on; noticed at the next wait
  std::optional<handover::TargetState> copy;  ///< as the target said last; with a notice pending

  [[nodiscard]] handover::State state() const { return side.state(); }
  /// The epoch that the target is granted under.
  [[nodiscard]] handover::Epoch epoch() const { return side.record().epoch; }
  /// The epoch that the source's trainer has or goes on under.
  [[nodiscard]] handover::Epoch own_epoch() const { return side.record().own_epoch; }
  /// Whether it was forced to the source, and its target must still say that nothing steps there.
  [[nodiscard]] bool notice_pending() const { return side.record().notice_pending; }
  /// The digest of what was committed; empty: nothing was.
  [[nodiscard]] std::string root() const;
  [[nodiscard]] std::uint64_t migrated_at_step() const { return side.record().content.step; }
  /// Whether it is neither decided nor given up yet.
  [[nodiscard]] bool is_before_commit() const;
  /// Whether it stands between what is on disk and what that stands for, by `hold_at`.
  [[nodiscard]] bool is_at_failpoint() const;
  /// The transfer of the lowest rank that moves; what is said of a migration as a whole is said of
  /// it.
  [[nodiscard]] Transfer& first() { return transfers.front(); }
  [[nodiscard]] const Transfer& first() const { return transfers.front(); }
  /// The transfer of a process here; or null.
  [[nodiscard]] Transfer* of(const std::string& instance);
  [[nodiscard]] const Transfer* of(const std::string& instance) const;
  /// Whether `is` holds of each transfer.
  template <class Is>
  [[nodiscard]] bool each(Is is) const {
    return std::ranges::all_of(transfers, is);
  }
  /// Whether nothing was to be moved, and both sides' steps left the same bytes.
  [[nodiscard]] bool found_nothing_forgotten() const;
  /// Answers of the targets' agents so far, whatever came of them.
  [[nodiscard]] std::uint64_t calls() const;
};

[[nodiscard]] boost::json::object to_json(const Migration& migration);
/// How it went: samples, the downtime's parts, what is known of the target (docs/api.md).
[[nodiscard]] boost::json::object timeline_json(const Migration& migration);
/// to_json(), with the samples once it is over.
[[nodiscard]] boost::json::object journal_record(const Migration& migration);
[[nodiscard]] Migration migration_from_journal(const boost::json::object& record);
/// Where `transfer` of it stands now, for its timeline. `source`: the process here; null: it is
/// gone.
void add_sample(const Migration& migration, Transfer& transfer, const Instance* source);
/// What to do where its target has no room or no such device.
[[nodiscard]] std::string another_device(const Migration& migration);

}  // namespace cardswap
