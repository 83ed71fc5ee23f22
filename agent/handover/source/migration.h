#pragma once

#include <algorithm>
#include <boost/json/object.hpp>
#include <cassert>
#include <cstdint>
#include <list>
#include <optional>
#include <string>
#include <vector>

#include "agent/base/address.h"
#include "agent/handover/source/migration_record.h"
#include "agent/handover/source/transfer.h"

namespace cardswap {

class Instance;

/// A migration as the source's agent runs it: its record, a Transfer for each rank of the job, and
/// state that is forgotten when the agent ends.
///
/// Everybody reads the record; three classes write it. SourceExecutor changes the fields that
/// decide: it writes a copy of record() and transfer_records() to disk, and keeps the copy once
/// that has succeeded. MigrationList::note() changes the fields that only describe progress: in
/// memory at once, on disk with the next record. RecordList::touch() raises its version.
///
/// Of what else it has, MigrationTask writes `failure` and `waits_at_failpoint`, Migrations writes
/// `proceed`, and MigrationFactory, which makes it, the rest.
class Migration {
 public:
  /// A new migration, or one that a former agent left.
  Migration(MigrationRecord record, std::vector<TransferRecord> transfers);
  Migration(Migration&&) = default;
  /// Forbidden: tasks refer to its transfers, and none is ever replaced.
  Migration(const Migration&) = delete;
  Migration& operator=(const Migration&) = delete;
  Migration& operator=(Migration&&) = delete;
  ~Migration() = default;

  /// There is one: ranks of a job of many move in a gang (gang::GangTask). A list for its address,
  /// which stays.
  std::list<Transfer> transfers;
  std::string failpoint;            ///< the state or phase in which it is held; empty: none
  bool waits_at_failpoint = false;  ///< its task waits there now
  bool yields_to_moves = false;     ///< MigrationRequest::yields_to_moves
  bool proceed = false;             ///< an operator lets it go on: the failpoint is over
  std::optional<Error> failure;     ///< why it cannot go on; its task acts on it at the next wait

  [[nodiscard]] const MigrationRecord& record() const { return record_; }
  [[nodiscard]] std::vector<TransferRecord> transfer_records() const;

  // Shorthands for fields of the record
  [[nodiscard]] const std::string& id() const { return record_.id; }
  [[nodiscard]] const MigrationSpec& spec() const { return record_.spec; }
  [[nodiscard]] handover::SourceState state() const { return record_.state(); }
  [[nodiscard]] handover::Epoch epoch() const { return record_.epoch(); }
  [[nodiscard]] handover::Epoch own_epoch() const { return record_.own_epoch(); }
  [[nodiscard]] bool has_pending_notice() const { return record_.has_pending_notice(); }
  [[nodiscard]] bool is_before_commit() const { return record_.is_before_commit(); }

  /// Whether `failpoint` holds it in its current state: that state is on disk, and its actions
  /// are not done yet.
  [[nodiscard]] bool holds_effects_at_failpoint() const;
  /// The only transfer, for callers that speak of the migration as a whole.
  /// MigrationFactory::require_movable() refuses jobs of several ranks.
  [[nodiscard]] Transfer& only() {
    assert(transfers.size() == 1);
    return transfers.front();
  }
  [[nodiscard]] const Transfer& only() const {
    assert(transfers.size() == 1);
    return transfers.front();
  }
  /// The transfer of a process here. Null: there is none.
  [[nodiscard]] Transfer* find(const std::string& instance);
  [[nodiscard]] const Transfer* find(const std::string& instance) const;
  /// Whether `is` holds of each transfer.
  template <class Is>
  [[nodiscard]] bool are_all(Is is) const {
    return std::ranges::all_of(transfers, is);
  }
  /// Whether it was only a rehearsal, and that has passed.
  [[nodiscard]] bool is_passed_rehearsal_only() const;
  /// How many calls to the targets' agents have come back so far, failed ones included.
  [[nodiscard]] std::uint64_t calls() const;

 private:
  friend class MigrationList;
  friend class SourceExecutor;
  template <class Item, class Traits>
  friend class RecordList;

  /// Takes over records that are on disk now. The addresses of its transfers do not change.
  void adopt(MigrationRecord record, std::vector<TransferRecord> transfers);

  MigrationRecord record_;
};

/// The migration as the API shows it (docs/api.md).
[[nodiscard]] boost::json::object to_json(const Migration& migration);
/// How it went: samples, the downtime's parts, what is known of the target (docs/api.md).
[[nodiscard]] boost::json::object timeline_json(const Migration& migration);
/// The migration as the journal has it.
[[nodiscard]] boost::json::object to_journal(const Migration& migration);
/// Reads to_journal(). Throws Error{corrupt}.
[[nodiscard]] Migration migration_from_journal(const boost::json::object& record);
/// A timeline sample of `transfer` now, in the migration of that record. `source`: the process
/// here. Null: it is gone.
[[nodiscard]] TimelineSample sample_now(const MigrationRecord& migration, const Transfer& transfer,
                                        const Instance* source);
/// A hint for a target that has no room or no such device.
[[nodiscard]] std::string another_device(const Migration& migration);

}  // namespace cardswap
