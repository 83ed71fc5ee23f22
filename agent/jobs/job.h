#pragma once

#include <boost/json/object.hpp>
#include <chrono>
#include <cstdint>
#include <list>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "agent/jobs/instance_state.h"
#include "agent/jobs/protection.h"
#include "agent/jobs/rank_process.h"
#include "agent/jobs/recovery.h"
#include "agent/jobs/restart_rule.h"
#include "agent/process/process.h"
#include "migrator/plan/migration_spec.h"
#include "migrator/wire/runtime_messages.h"

/// A job and its processes: what is the same wherever the job runs, and what belongs to one process
/// here.
namespace cardswap {

struct Job;

/// The device name of a snapshot sender: it is on none.
inline constexpr const char* kFromStore = "store";

/// A job's description: all that a start of its program needs, except a device. Moves with the job.
/// JobList changes in it: `restart`, which becomes `never` on this host once somebody has asked for
/// the job's end (note_stop()), or another copy of it steps under a higher epoch (note_halt());
/// `protection`; `first_snapshot`; `hold_at`; and where its snapshots come from (set_origin()). It
/// gives a new job its `uid`, and its `user` if it has none.
struct JobSpec {
  std::string name;
  std::string uid;
  std::vector<std::string> argv;
  std::string cwd;
  std::map<std::string, std::string> env;
  RestartRule restart = RestartRule::never;
  std::string user;                           ///< empty: the agent's --job-user, or its own user
  ArrivalMode arrive = ArrivalMode::standby;  ///< its default way to move; never `automatic`
  std::optional<Protection> protection = std::nullopt;  ///< nullopt: it is not protected
  std::string branch = {};          ///< of the snapshots that it takes; empty: "main"
  std::string restored_from = {};   ///< the manifest from which it went on; empty: from none
  std::string fallback_store = {};  ///< a store from which it goes on if it fails; or empty
  /// The first snapshot of this run in `fallback_store`, if that was its protection's until it was
  /// protected in another one, where it has none yet; or 0.
  std::uint64_t fallback_first = 0;
  /// The first snapshot of this run in the store in which it was protected then. Says only that
  /// there is one: on another host that store may be another, and which snapshots are the run's
  /// they say themselves (store::Ref::run). 0: none is known yet, or the run itself went on from a
  /// snapshot.
  std::uint64_t first_snapshot = 0;
  /// The step at whose boundary it is to stand, in no migration, until somebody lets it go on; 0:
  /// at none.
  std::uint64_t hold_at = 0;
  /// Steps up to this one were taken before, by the run that went on from `restored_from` first:
  /// they are taken again without effects. 0: none.
  std::uint64_t again_until = 0;
};

/// The journal's record of an Instance, a part of its job's record.
struct InstanceRecord {
  std::string id;          ///< random; names this process on this host
  std::uint32_t rank = 0;  ///< the rank among the job's processes on all hosts
  InstanceState state = InstanceState::starting;
  std::string device;
  std::string token;    ///< the runtime shows it; it is in the processes' environment too
  ProcessId program;    ///< the job's first process
  ProcessId parent;     ///< the program's parent, which writes its exit status; or none
  std::string boot_id;  ///< the host's boot at their start: pids mean nothing after another boot
  ProcessId init;       ///< of a restored tree: the first process of its PID namespace; or none
  std::string moved_to;
  std::string came_from;
  /// Where the ranks went that have left this instance, as far as this host knows by now; and by
  /// rank 0 the job of one process itself, once somebody has followed it further than `moved_to`.
  std::map<std::uint32_t, std::string> moved_ranks;
  /// The program is a launcher: a rank that has left was another process, whose place is kept.
  bool keeps_places = false;
  std::uint64_t state_bytes = 0;
  std::uint64_t replayed_bytes = 0;     ///< the part of the state that optimizer steps rewrite
  std::uint64_t update_bytes = 0;       ///< gradients of one step; 0: no step can be replayed
  std::uint64_t relocatable_bytes = 0;  ///< the part that can be sent ahead of the process
  std::uint64_t reserved_bytes = 0;
  std::optional<int> exit_code;
  std::optional<int> exit_signal;
  std::string exit_text;
  std::int64_t started_at_ms = 0;
  std::int64_t ended_at_ms = 0;
  std::string log_path;
  std::uint64_t step = 0;  ///< the journal's is kept in Instance::saved_step
};

/// One process tree of a job on this host, or the place of one that is to arrive: the program that
/// was started, and what that has started. It has the job's only rank, or of a job of many those
/// that have attached from it (Instance::ranks). It consists of a record and of state that is
/// forgotten when the agent ends.
///
/// Everybody reads the record; JobList changes it, for others by JobList::note(). What only the
/// runtime knows is set by the functions of runtime_report.h; JobProcesses::start_again() resets
/// `reported`, and JobList::set_hold() `held`.
class Instance {
 public:
  explicit Instance(Job& job, InstanceRecord record = {})
      : saved_step(record.step), job_(&job), record_(std::move(record)) {}
  Instance(const Instance&) = delete;
  Instance& operator=(const Instance&) = delete;

  /// The job that owns this instance.
  [[nodiscard]] Job& job() { return *job_; }
  [[nodiscard]] const Job& job() const { return *job_; }
  [[nodiscard]] const std::string& name() const;  ///< the job's name
  [[nodiscard]] const InstanceRecord& record() const { return record_; }

  // Shorthands for fields of the record
  [[nodiscard]] const std::string& id() const { return record_.id; }
  [[nodiscard]] InstanceState state() const { return record_.state; }
  [[nodiscard]] const std::string& device() const { return record_.device; }
  [[nodiscard]] const ProcessId& program() const { return record_.program; }
  [[nodiscard]] bool is_live() const { return is_live_state(state()); }
  /// Whether its process is none of the job's: it sends a snapshot to the program (restore.h).
  [[nodiscard]] bool is_snapshot_sender() const { return record_.device == kFromStore; }
  /// Whether its program is not known to run yet: it has no process.
  [[nodiscard]] bool is_being_started() const { return is_live() && program().pid == 0; }

  bool attached = false;  ///< its runtime is connected
  bool frozen = false;    ///< its trainer waits at a step boundary for the agent
  double median_step_ms = 0;
  std::string framework;
  std::uint64_t network = 0;       ///< the network namespace of its runtime; 0: not known
  std::vector<ProcessId> remains;  ///< processes of it that still lived after its end
  std::uint64_t saved_step = 0;    ///< the step that is on disk
  bool oversize_reported = false;  ///< it reported an impossible size, and an event told so
  bool reported = false;           ///< its runtime has reported what it tracks
  std::vector<channel::Obstacle> obstacles;  ///< obstacles to a move, as its runtime reports
  std::optional<channel::Held> held;         ///< where it stands because of JobSpec::hold_at
  std::optional<channel::Logged> logged;     ///< what its runtime says of its gradient log
  std::chrono::steady_clock::time_point log_told{};  ///< when it was last told which to keep
  /// The ranks whose processes belong to it, of a job of many; empty for a job of one process.
  std::map<std::uint32_t, RankProcess> ranks;

 private:
  friend class JobList;

  Job* job_;
  InstanceRecord record_;
};

/// A job as this host has it under one epoch, with the ranks that are here. A host may have several
/// jobs of one uid: one that steps, a standby that arrives under the next epoch, and superseded
/// ones; of a job of many ranks also one for each process tree here that has some of them. Each has
/// one instance.
///
/// Everybody reads it; JobList alone changes what is not an instance's.
struct Job {
  Job() = default;
  /// Reads to_journal(). Throws Error{bad_request, corrupt}.
  explicit Job(const boost::json::object& record);
  Job(const Job&) = delete;  // its instances refer to it
  Job& operator=(const Job&) = delete;

  std::string id;  ///< random; names this record on this host
  JobSpec spec;
  std::uint32_t world_size = 1;  ///< ranks, on all hosts
  std::uint64_t epoch = 1;
  /// The epoch under which another copy steps: this one is halted for good. 0: there is none.
  std::uint64_t newer_epoch = 0;
  bool standby = false;
  bool superseded = false;  ///< the job arrived here again; this record is kept for its migration
  std::string migration;    ///< the migration that it is in, or by which it arrives; or empty
  std::uint32_t restarts = 0;
  ProtectionNotes protection_notes;  ///< empty unless `spec` has a protection
  RecoveryNotes recovery;            ///< what became of its recoveries on this host
  std::list<Instance> instances;     ///< there is one; a list for its stable address
  bool stop_asked = false;           ///< somebody asked for its end; not in the journal

  [[nodiscard]] const std::string& name() const { return spec.name; }
  [[nodiscard]] const std::string& uid() const { return spec.uid; }
  /// Whether one of its processes is live.
  [[nodiscard]] bool is_live() const;
  /// Whether it is the copy that steps here, or that has stepped last: it is no standby, and no
  /// other copy has taken over from it.
  [[nodiscard]] bool is_current() const { return !standby && !superseded && newer_epoch == 0; }
  /// The instance of its lowest rank here.
  [[nodiscard]] Instance& first() { return instances.front(); }
  [[nodiscard]] const Instance& first() const { return instances.front(); }
};

inline const std::string& Instance::name() const { return job_->name(); }

/// Known processes of an ended instance that may still be alive.
[[nodiscard]] std::vector<pid_t> still_alive(const Instance& instance);

/// A process and its job as the API shows them.
[[nodiscard]] boost::json::object to_json(const Instance& instance);
/// The job's record with all that a restarted agent needs, secrets and the environment too. It is
/// one record, so that it is on disk as a whole.
[[nodiscard]] boost::json::object to_journal(const Job& job);

/// Reads and checks a request to start a job. Throws Error{bad_request}.
[[nodiscard]] JobSpec job_spec_from(const boost::json::object& body);
/// The device that such a request names, or "cpu:0". Throws Error{bad_request}.
[[nodiscard]] std::string device_from(const boost::json::object& body);
[[nodiscard]] boost::json::object to_json(const JobSpec& spec);

}  // namespace cardswap
