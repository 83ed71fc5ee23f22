#pragma once

#include <boost/asio/io_context.hpp>
#include <concepts>
#include <cstdint>
#include <list>
#include <optional>
#include <string>
#include <vector>

#include "agent/base/config.h"
#include "agent/base/task_group.h"
#include "agent/jobs/job.h"
#include "agent/jobs/standby_logs.h"
#include "agent/journal/journal.h"
#include "migrator/base/error.h"

namespace cardswap {

/// How a job arrives at this host.
struct Arriving {
  std::string migration;  ///< the migration that brings it
  std::uint64_t epoch = 0;
  std::string device;
  std::uint64_t reserved_bytes = 0;
  std::string came_from;    ///< "gpu-a/cuda:0"; may be empty
  std::uint32_t rank = 0;   ///< of a job of many: the rank that arrives
  std::uint32_t ranks = 1;  ///< how many the job has
};

/// Keeps the records of the jobs of this host, in memory and in the journal. It knows no processes:
/// code that starts or ends a process changes the record here. The address of a Job and of an
/// Instance is stable until it is removed. The agent's thread.
class JobList {
 public:
  /// Both references must outlive it.
  JobList(const Config& config, Journal& journal);

  /// Adds the journal's jobs; call it once. A record that cannot be read is set aside
  /// (Journal::each()). Throws Error{io, corrupt} if the journal as a whole cannot be read.
  void load();
  /// Adds a job with one instance, which has no process yet; in memory only, until save().
  Instance& add(const JobSpec& spec, const std::string& device);
  /// Adds a standby, as add() does. Throws Error{bad_request} for a migration's id that is no part
  /// of a file's name.
  Instance& add_standby(const JobSpec& spec, const Arriving& arriving);
  /// Makes a standby the job's primary, under the job's name. Throws nothing, because the grant is
  /// on disk already, in the reservation's record: this record is written by save_when_possible().
  void promote(Job& job, std::uint64_t epoch);
  /// Removes an instance, in memory only. True: it was the last one of its job, which is removed
  /// too: call remove_record(). False: call save().
  bool remove(Instance& instance);
  /// Removes a job's record from the journal. Throws Error{io, corrupt}.
  void remove_record(const std::string& job_id);
  /// Removes the ended jobs of that name from memory and journal, with their logs, and the folder
  /// if it is empty then. Throws Error{io, corrupt}; then some jobs may be removed, and no log.
  void forget(const std::string& name);

  /// The latest job of that name that is neither a standby nor superseded; of a job of many ranks
  /// the latest live one. Null: there is none.
  [[nodiscard]] Job* find(const std::string& name);
  /// The job that find() names. Throws Error{not_found} that names the host if there is none.
  [[nodiscard]] Job& job_named(const std::string& name);
  /// The job whose record has that id. Null: it is gone.
  [[nodiscard]] Job* by_record(const std::string& job_id);
  /// The instance of that id. Null: there is none.
  [[nodiscard]] Instance* by_instance(const std::string& id);
  /// The instance of that id. Throws Error{source_lost} if its record is gone: a process may end
  /// during each wait.
  [[nodiscard]] Instance& at(const std::string& id);
  /// Which instances by_token() finds.
  enum class Liveness : std::uint8_t { live, or_moved };
  /// The live instance of the job `name` with that token, or one whose job has moved away if that
  /// is asked for. Null: there is none.
  [[nodiscard]] Instance* by_token(const std::string& name, const std::string& token,
                                   Liveness wanted = Liveness::live);
  [[nodiscard]] const std::list<Job>& all() const { return jobs_; }
  /// The instances of all jobs, job by job.
  [[nodiscard]] std::vector<Instance*> instances();
  [[nodiscard]] std::vector<const Instance*> instances() const;

  /// The live instance here that has that rank of the job `name`, not a standby's. Null: none.
  [[nodiscard]] Instance* find_rank(const std::string& name, std::uint32_t rank);

  // What its processes change in a job: in memory only, until save().
  /// The job's runtimes say that it has that many ranks on all hosts.
  static void note_world_size(Job& job, std::uint32_t ranks);
  /// Somebody has asked for the job's end: it is not started again.
  static void note_stop(Job& job);
  /// Another copy steps under `newer_epoch`: this one is halted for good, and not started again.
  /// The highest such epoch counts.
  static void note_halt(Job& job, std::uint64_t newer_epoch);
  /// The job is started again, under the next epoch.
  static void count_restart(Job& job);
  /// Restores `epoch` and `restarts` from before count_restart(), because the start has failed.
  static void undo_restart(Job& job, std::uint64_t epoch, std::uint32_t restarts);

  /// Calls `change` with the record of an instance, and returns its result: in memory at once, on
  /// disk with the job's next save.
  template <std::invocable<InstanceRecord&> Change>
  static auto note(Instance& instance, Change change) {
    return change(instance.record_);
  }
  /// Writes the job's record to disk. Throws Error{io}, or Error{corrupt} for a damaged journal.
  void save(const Job& job);
  /// Writes the job's record. If the disk refuses, it only logs that; the job's next save writes
  /// it. For facts that another record on disk has too.
  void save_when_possible(const Job& job);
  /// Changes the state, in memory at once and on disk by save_when_possible().
  void set_state(Instance& instance, InstanceState state);

  // What a migration changes in a job. The change is in memory at once, and is written by
  // save_when_possible(): if the disk refuses, that is logged and the job's next save writes it;
  // the migration's own record has the same fact on disk.
  /// The job is in that migration from now on.
  void begin_migration(Job& job, const std::string& migration);
  /// The job goes on here, and is in no migration any more.
  void end_migration(Job& job);
  /// The job goes on under that epoch, unless its own is higher.
  void raise_epoch(Job& job, std::uint64_t epoch);
  /// The job is at `to`, such as "gpu-b:7070/cuda:0"; the instance's state becomes `moved`.
  void mark_moved(Instance& instance, const std::string& to);

  /// The job is protected by that order from now on; nullopt: it is not protected any more. Notes
  /// of snapshots in the same store stay; of another one, the former store with its snapshots is
  /// what the job goes on from until drop_former_store(). Throws Error{io, corrupt}; then nothing
  /// has changed.
  void set_protection(Job& job, std::optional<Protection> order);
  /// The job is to stand at that step; 0: at none, and to go on. Forgets where its instances are
  /// held (Instance::held) unless they are past that step: their runtimes tell anew. On disk on
  /// return. Throws Error{io, corrupt}; then nothing has changed.
  void set_hold(Job& job, std::uint64_t step);
  /// Replaces the notes, in memory at once and on disk by save_when_possible().
  void note_protection(Job& job, ProtectionNotes notes);
  /// The job has a snapshot in its protection's store: it needs the store of before no more. In
  /// memory at once and on disk by save_when_possible().
  void drop_former_store(Job& job);
  /// Notes that the first snapshot of this run has that number in its protection's store, as
  /// note_protection() does.
  void note_first_snapshot(Job& job, std::uint64_t number);

  /// The agent owes the job a start from a snapshot from now on. Notes why, and the device, memory
  /// and step of first(); of a program that has got the job and took no step the reason and the
  /// step stay those of the copy before it, and a try is counted. In memory only, until save();
  /// nobody sees it before the caller has called changed().notify().
  static void order_recovery(Job& job, const std::string& reason);
  /// The agent owes it no such start any more. In memory only, until save().
  static void drop_recovery(Job& job);
  /// Replaces the notes, in memory at once and on disk by save_when_possible().
  void note_recovery(Job& job, RecoveryNotes notes);
  /// The job stays ended on the device that it had, and its record says why; one that still lives
  /// runs on. In memory at once, on disk by save_when_possible().
  void give_up_recovery(Job& job, const Error& why);
  /// The job goes on from that snapshot; what it takes then is of that branch. In memory only,
  /// until save().
  static void set_origin(Job& job, const std::string& manifest, const std::string& branch);

  /// Notified of each change of a state or a process.
  [[nodiscard]] Signal& changed() { return changed_; }
  /// The logs of failed standbys.
  [[nodiscard]] const StandbyLogs& standby_logs() const { return standby_logs_; }

 private:
  const Config& config_;
  Journal& journal_;
  Signal changed_;
  std::list<Job> jobs_;
  const StandbyLogs standby_logs_{config_, jobs_};
};

}  // namespace cardswap
