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

/// A migration as the source's agent runs it. It has the record, a Transfer for each rank of the
/// job, and what one run of the agent knows and forgets at its end.
///
/// Everybody reads the record; two classes write it. SourceExecutor changes what decides, as a
/// whole: it writes a copy of record() and transfer_records(), and keeps the copy once the disk has
/// taken it. MigrationList::note() changes what only tells how it goes, and that is on disk with
/// the next record.
class Migration {
 public:
  /// The migration as it is asked for, or as a former agent left it.
  Migration(MigrationRecord record, std::vector<TransferRecord> transfers);
  Migration(Migration&&) = default;
  /// Forbidden: tasks hold on to its transfers, and none is ever replaced.
  Migration(const Migration&) = delete;
  Migration& operator=(const Migration&) = delete;
  Migration& operator=(Migration&&) = delete;
  ~Migration() = default;

  /// The transfers, by rank. A job of one rank, which all that move have, has one.
  std::list<Transfer> transfers;
  std::string hold_at;
  bool held = false;
  bool proceed = false;
  std::optional<Error> failure;  ///< why it cannot go on; noticed at the next wait

  [[nodiscard]] const MigrationRecord& record() const { return record_; }
  [[nodiscard]] std::vector<TransferRecord> transfer_records() const;

  // What is asked of its record everywhere
  [[nodiscard]] const std::string& id() const { return record_.id; }
  [[nodiscard]] const MigrationSpec& spec() const { return record_.spec; }
  [[nodiscard]] handover::State state() const { return record_.state(); }
  [[nodiscard]] handover::Epoch epoch() const { return record_.epoch(); }
  [[nodiscard]] handover::Epoch own_epoch() const { return record_.own_epoch(); }
  [[nodiscard]] bool has_pending_notice() const { return record_.has_pending_notice(); }
  [[nodiscard]] bool is_before_commit() const { return record_.is_before_commit(); }

  /// Whether it stands between what is on disk and what that stands for, by `hold_at`.
  [[nodiscard]] bool is_at_failpoint() const;
  /// The transfer of a migration that has one: what is said of a migration as a whole is said of
  /// it. Jobs of several ranks do not move yet (MigrationIntake::movable() refuses them); when they
  /// do, each caller has to say what it means for all of them.
  [[nodiscard]] Transfer& only() {
    assert(transfers.size() == 1);
    return transfers.front();
  }
  [[nodiscard]] const Transfer& only() const {
    assert(transfers.size() == 1);
    return transfers.front();
  }
  /// The transfer of a process here; or null.
  [[nodiscard]] Transfer* find(const std::string& instance);
  [[nodiscard]] const Transfer* find(const std::string& instance) const;
  /// Whether `is` holds of each transfer.
  template <class Is>
  [[nodiscard]] bool are_all(Is is) const {
    return std::ranges::all_of(transfers, is);
  }
  /// Whether nothing was to be moved, and both sides' steps left the same bytes.
  [[nodiscard]] bool is_passed_check() const;
  /// Answers of the targets' agents so far, whatever came of them.
  [[nodiscard]] std::uint64_t calls() const;

 private:
  friend class MigrationList;
  friend class SourceExecutor;
  template <class Item, class Traits>
  friend class RecordList;

  /// Takes what is on disk now. Its transfers stay where they are.
  void adopt(MigrationRecord record, std::vector<TransferRecord> transfers);

  MigrationRecord record_;
};

[[nodiscard]] boost::json::object to_json(const Migration& migration);
/// How it went: samples, the downtime's parts, what is known of the target (docs/api.md).
[[nodiscard]] boost::json::object timeline_json(const Migration& migration);
/// All of it that is on disk.
[[nodiscard]] boost::json::object journal_record(const Migration& migration);
[[nodiscard]] Migration migration_from_journal(const boost::json::object& record);
/// Where `transfer` stands now, in a migration of that record. `source`: the process here; null: it
/// is gone.
[[nodiscard]] TimelineSample sample_now(const MigrationRecord& migration, const Transfer& transfer,
                                        const Instance* source);
/// What to do where its target has no room or no such device.
[[nodiscard]] std::string another_device(const Migration& migration);

}  // namespace cardswap
