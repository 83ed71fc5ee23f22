#pragma once

#include <boost/asio/io_context.hpp>
#include <concepts>
#include <cstdint>
#include <list>
#include <string>
#include <vector>

#include "agent/base/config.h"
#include "agent/base/task_group.h"
#include "agent/jobs/job.h"
#include "agent/jobs/standby_logs.h"
#include "agent/journal/journal.h"

namespace cardswap {

/// How a job comes to this host.
struct Arriving {
  std::string migration;  ///< the migration that brings it
  std::uint64_t epoch = 0;
  std::string device;
  std::uint64_t reserved_bytes = 0;
  std::string came_from;
};

/// Keeps the records of the jobs of this host, in memory and in the journal. It knows no process;
/// code that starts or ends a process changes the record here. The address of a Job and of an
/// Instance is stable until it is forgotten. On the agent's loop.
class JobTable {
 public:
  /// All of them outlive it.
  JobTable(const Config& config, Journal& journal);

  /// Adds the journal's jobs. Throws Error{io, corrupt}.
  void load();
  /// Adds a job with one instance, which has no process yet and is on disk at the first save().
  Instance& add(const JobSpec& spec, const std::string& device);
  /// Adds a standby in the same way.
  Instance& add_standby(const JobSpec& spec, const Arriving& arriving);
  /// The standby is the job's primary now, under the job's name. Throws nothing: the grant is on
  /// disk already, in the reservation's record.
  void promote(Job& job, std::uint64_t epoch);
  /// Removes an instance. True: it was the last of its job, which is gone too. What the disk has of
  /// it goes by save() or remove_record().
  bool remove(Instance& instance);
  void remove_record(const std::string& job_id);
  /// Removes the records of that name that are over, with their logs, and the folder if it is empty
  /// then.
  void forget(const std::string& name);

  [[nodiscard]] Job* find(const std::string& name);            ///< the job of that name, no standby
  [[nodiscard]] Instance* by_instance(const std::string& id);  ///< for those who branch on null
  /// The instance of that id. Throws Error{source_lost} where its record is gone: it may end at
  /// each wait.
  [[nodiscard]] Instance& at(const std::string& id);
  /// The live one that shows that token; or null.
  [[nodiscard]] Instance* by_token(const std::string& name, const std::string& token);
  [[nodiscard]] std::list<Job>& all() { return jobs_; }
  [[nodiscard]] const std::list<Job>& all() const { return jobs_; }
  /// The instances of all jobs, job by job.
  [[nodiscard]] std::vector<Instance*> instances();
  [[nodiscard]] std::vector<const Instance*> instances() const;

  /// Changes what the journal has of an instance: in memory now, on disk at the job's next save.
  template <std::invocable<InstanceRecord&> Change>
  static auto note(Instance& instance, Change change) {
    return change(instance.record_);
  }
  void save(const Job& job);
  /// Saves facts that another record has too. If the disk refuses, logs that; the job's next change
  /// writes them.
  void save_when_possible(const Job& job);
  /// Changes the state, in memory at once and on disk by save_when_possible().
  void set_state(Instance& instance, InstanceState state);

  // What becomes of a job by a migration, whose own record has it too. In memory at once, and on
  // disk on return, by save_when_possible(), where it changes anything.

  /// The job is in that migration from here on.
  void begin_migration(Job& job, const std::string& migration);
  /// The job goes on here, and is in no migration any more.
  void end_migration(Job& job);
  /// The job goes on under that epoch, unless its own is higher.
  void raise_epoch(Job& job, std::uint64_t epoch);
  /// The job is at `to`, "gpu-b/cuda:0", and the instance is what is left of it here.
  void mark_moved(Instance& instance, const std::string& to);

  /// Notified of each change of a state or a process.
  [[nodiscard]] Signal& changed() { return changed_; }
  /// The logs of standbys that came to nothing.
  [[nodiscard]] const StandbyLogs& standby_logs() const { return standby_logs_; }

 private:
  const Config& config_;
  Journal& journal_;
  Signal changed_;
  std::list<Job> jobs_;
  const StandbyLogs standby_logs_{config_, jobs_};
};

}  // namespace cardswap
