#pragma once

#include <boost/asio/awaitable.hpp>
#include <functional>
#include <list>
#include <map>
#include <string>
#include <unordered_map>
#include <vector>

#include "agent/base/config.h"
#include "agent/base/task_group.h"
#include "agent/handover/source/migration.h"
#include "agent/journal/journal.h"

namespace cardswap {

struct Job;

/// Keeps the migrations by which this agent's jobs leave, in memory and in the journal: those that
/// run, and for a while those that are over.
///
/// Knows no peer and no trainer. Those that are over are forgotten by count and age (retention.h),
/// here and in the journal, but not while a task works on one; until then an address stays what it
/// is. A caller that waits and is no such task looks its one up again. Owned by Migrations; one
/// thread. What the disk refuses is an Error{io}.
class MigrationList {
 public:
  /// What the list asks those around it, and tells them.
  struct Callbacks {
    std::function<bool(const Migration&)> is_pinned;
    std::function<void(const Migration&)> forgetting;  ///< one that is over, before it is forgotten
  };
  MigrationList(asio::io_context& context, const Config& config, Journal& journal,
                Callbacks callbacks);

  /// Reads what a former agent left; once.
  void load();
  /// Adds a migration, on disk first: where that is refused, nothing was added.
  Migration& add(Migration made);

  /// Throws Error{not_found}.
  [[nodiscard]] Migration& at(const std::string& id) { return found(id); }
  [[nodiscard]] const Migration& at(const std::string& id) const { return found(id); }
  [[nodiscard]] bool has(const std::string& id) const;
  [[nodiscard]] const std::list<Migration>& all() const { return migrations_; }
  [[nodiscard]] std::list<Migration>& all() { return migrations_; }
  /// The migrations by which a process here, an instance, leaves or was to leave, in the order in
  /// which they were made.
  [[nodiscard]] std::vector<Migration*> all_of(const std::string& instance);
  [[nodiscard]] std::vector<const Migration*> all_of(const std::string& instance) const;
  /// The one that a process here, an instance, leaves by now; or null.
  [[nodiscard]] Migration* find_running(const std::string& instance);
  [[nodiscard]] const Migration* find_running(const std::string& instance) const;
  /// Whether `job`, which is no standby, stands for a migration whose record is not here any more:
  /// it was damaged, and is set aside. Whether the job is elsewhere is an operator's to find out.
  [[nodiscard]] bool has_lost_the_record_of(const Job& job) const;
  /// Notes that it is over: its processes may leave by another one from here on.
  void note_over(const Migration& m);

  // Each throws the disk's refusal.
  void save(const Migration& m) { save(m.record(), m.transfer_records()); }
  void save(const MigrationRecord& record, const std::vector<TransferRecord>& transfers);
  /// Writes what came of it when the disk takes it; nothing waits for that.
  asio::awaitable<void> record_end(std::string id);
  /// Something of it has changed: whoever waits for that looks again.
  void touch(Migration& m);
  /// Notified of each change of any of them.
  [[nodiscard]] Signal& changed() { return changed_; }

  void forget_old();
  /// Forgets old samples: of the many that an agent sees in its life only the latest are kept, here
  /// and on disk.
  void forget_old_timelines();

 private:
  Migration& insert(Migration made);
  [[nodiscard]] Migration& found(const std::string& id) const;
  template <class M>
  [[nodiscard]] std::vector<M*> those_of(const std::string& instance) const;
  void drop_from_indices(const Migration& m);

  const Config& config_;
  Journal& journal_;
  Callbacks callbacks_;
  Signal changed_;
  std::map<std::string, Migration*> live_;  // those that are not over, by their source's instance
  std::list<Migration> migrations_;         // addresses are stable until forgotten
  // What is asked at each event and each look, of thousands: found, not searched for.
  std::unordered_map<std::string, Migration*> by_id_;
  std::multimap<std::string, Migration*> by_instance_;
};

}  // namespace cardswap
