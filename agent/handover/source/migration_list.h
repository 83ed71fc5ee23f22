#pragma once

#include <boost/asio/awaitable.hpp>
#include <concepts>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "agent/base/config.h"
#include "agent/handover/base/record_list.h"
#include "agent/handover/source/migration.h"

namespace cardswap {

struct Job;

/// Describes a migration to RecordList.
struct MigrationTraits {
  static constexpr auto kKind = Journal::Kind::migration;
  static constexpr std::string_view kName = "migration";
  static const std::string& id_of(const Migration& m) { return m.id(); }
  /// The instances that leave by the migration.
  static std::vector<std::string> instances_of(const Migration& m);
  static bool is_needed(const Migration& m) {
    return !handover::is_over(m.state()) || m.has_pending_notice();
  }
  static std::int64_t ended_at_ms(const Migration& m) {
    const auto& record = m.record();
    return record.ended_at_ms != 0 ? record.ended_at_ms : record.started_at_ms;
  }
  /// The maker's name is empty: all migrations are this host's own.
  static std::string_view maker_of(const Migration&) { return {}; }
};

/// Keeps the migrations by which this agent's jobs leave (RecordList).
///
/// It knows no peer and no trainer. A task may keep a reference to its migration; any other caller
/// looks its migration up again after each wait. `config` and `journal` must outlive it. Owned by
/// Migrations; one thread. Throws Error{io, corrupt} when the disk refuses.
class MigrationList : public RecordList<Migration, MigrationTraits> {
 public:
  MigrationList(const Config& config, Journal& journal, Callbacks callbacks)
      : RecordList(journal, std::move(callbacks)), config_(config) {}

  /// Reads the records that a former agent left; call it once.
  void load();
  /// Writes a migration to disk, then adds it. If that throws, nothing was added.
  Migration& add(Migration made);

  /// Throws Error{not_found}.
  [[nodiscard]] const Migration& at(const std::string& id) const;
  [[nodiscard]] Migration& at(const std::string& id) {
    (void)std::as_const(*this).at(id);
    return *find_by_id(id);
  }
  /// The migrations by which a process here, an instance, leaves or was to leave, in the order in
  /// which they were made.
  using RecordList::items_of;
  /// The migration that is not over and by which the instance leaves. Null: there is none.
  [[nodiscard]] Migration* find_running(const std::string& instance);
  [[nodiscard]] const Migration* find_running(const std::string& instance) const;
  /// Whether `job`, which is no standby, is frozen for a migration whose record is missing, because
  /// it was damaged and set aside. Then only an operator can find out whether the job is elsewhere.
  [[nodiscard]] bool has_lost_the_record_of(const Job& job) const;
  /// Notes that `m` is over: its processes may leave by another migration from now on.
  void mark_ended(const Migration& m);

  /// Calls `change` with the fields that only describe progress, and returns its result: in memory
  /// at once, on disk with the next record.
  template <std::invocable<MigrationNotes&> Change>
  auto note(Migration& m, Change change) {
    return change(static_cast<MigrationNotes&>(m.record_));
  }
  template <std::invocable<TransferRecord&> Change>
  auto note(Transfer& transfer, Change change) {
    return change(transfer.record_);
  }
  /// Adds a sample of now to the timeline of `transfer`, which is of `m`. `source`: the process
  /// here. Null: it is gone.
  void add_sample(const Migration& m, Transfer& transfer, const Instance* source) {
    transfer.record_.timeline.add(sample_now(m.record(), transfer, source));
  }

  void save(const Migration& m) { save(m.record(), m.transfer_records()); }
  void save(const MigrationRecord& record, const std::vector<TransferRecord>& transfers);
  /// Writes the record of an ended migration; while the disk refuses, it tries again.
  asio::awaitable<void> save_end(std::string id);

  /// Forgets the timelines of all but the latest 200 ended migrations that have one, in memory and
  /// on disk. Does not throw: what the disk refuses is logged.
  void forget_old_timelines();

 private:
  const Config& config_;
  std::map<std::string, Migration*> live_;  // those that are not over, by their source's instance
};

}  // namespace cardswap
