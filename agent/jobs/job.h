#pragma once

#include <boost/json/object.hpp>
#include <cstdint>
#include <list>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "agent/jobs/instance_state.h"
#include "agent/jobs/restart_rule.h"
#include "agent/process/process.h"
#include "migrator/plan/migration_spec.h"
#include "migrator/wire/runtime_messages.h"

/// A job, and its processes: what is the same wherever it runs, and what is of one process here.
namespace cardswap {

struct Job;

/// What a job is, wherever it runs: all that the start of one of its processes takes but a device.
struct JobSpec {
  std::string name;
  std::string uid;
  std::vector<std::string> argv;
  std::string cwd;
  std::map<std::string, std::string> env;
  RestartRule restart = RestartRule::never;
  std::string user;                   ///< empty: as the agent is set up
  Arrival arrive = Arrival::standby;  ///< its default way to move; one of the two that there are
};

/// What the journal keeps of an Instance, within its job's record.
struct InstanceRecord {
  std::string id;          ///< of this process here; random
  std::uint32_t rank = 0;  ///< among the job's processes, on all hosts
  InstanceState state = InstanceState::starting;
  std::string device;
  std::string token;  ///< shown by its runtime, and in its processes' environment
  ProcessId process;
  ProcessId parent;     ///< of the program, which keeps its exit status; or none
  std::string boot_id;  ///< of the host at their start: pids mean nothing in another boot
  ProcessId init;       ///< of a restored tree: the first process of its PID namespace; or none
  std::string moved_to;
  std::string came_from;
  std::uint64_t state_bytes = 0;
  std::uint64_t replayed_bytes = 0;     ///< of the state: what optimizer steps rewrite
  std::uint64_t update_bytes = 0;       ///< gradients of one step; 0: no step can be replayed
  std::uint64_t relocatable_bytes = 0;  ///< of the state: what can go ahead of the process
  std::uint64_t reserved_bytes = 0;
  std::optional<int> exit_code;
  std::optional<int> exit_signal;
  std::string exit_text;
  std::int64_t started_at_ms = 0;
  std::int64_t ended_at_ms = 0;
  std::string log_path;
  std::uint64_t step = 0;  ///< in the journal it is `saved_step`
};

/// One process of a job on this host: it has one of the job's ranks, or will have it once it has
/// arrived. It consists of a record, and of what one run of the agent knows and forgets at its end.
///
/// Everybody reads the record; JobTable::note() changes it. The runtime's reports go through the
/// functions of runtime_report.h.
class Instance {
 public:
  explicit Instance(Job& job, InstanceRecord record = {})
      : saved_step(record.step), job_(&job), record_(std::move(record)) {}
  Instance(const Instance&) = delete;
  Instance& operator=(const Instance&) = delete;

  /// The job that it is a part of, which owns it.
  [[nodiscard]] Job& job() { return *job_; }
  [[nodiscard]] const Job& job() const { return *job_; }
  [[nodiscard]] const std::string& name() const;  ///< of its job
  [[nodiscard]] const InstanceRecord& record() const { return record_; }

  // What is asked of its record everywhere
  [[nodiscard]] const std::string& id() const { return record_.id; }
  [[nodiscard]] InstanceState state() const { return record_.state; }
  [[nodiscard]] const std::string& device() const { return record_.device; }
  [[nodiscard]] const ProcessId& process() const { return record_.process; }
  [[nodiscard]] bool is_live() const { return is_live_state(state()); }
  /// Whether its program does not run yet: it has no process that is known.
  [[nodiscard]] bool is_being_started() const { return is_live() && process().pid == 0; }

  bool attached = false;
  bool frozen = false;
  double median_step_ms = 0;
  std::string framework;
  std::uint64_t network = 0;       ///< the network namespace of its runtime; 0: not known
  std::vector<ProcessId> remains;  ///< its processes that were found after it was over
  std::uint64_t saved_step = 0;    ///< the step that is on disk
  bool oversize_reported = false;  ///< reported an impossible size, and an operator was told
  bool reported = false;           ///< its runtime has reported what it tracks
  std::vector<channel::Obstacle> obstacles;  ///< to moving it, as its runtime reports them

 private:
  friend class JobTable;

  Job* job_;
  InstanceRecord record_;
};

/// A job as this host has it under one epoch, with its ranks that are here. A host may have several
/// jobs of one uid: one that steps, a standby that arrives under the next epoch, and replaced ones.
/// So far each job has one rank, and so one instance.
struct Job {
  Job() = default;
  /// The job as to_journal() wrote it. Throws Error{bad_request, corrupt}.
  explicit Job(const boost::json::object& record);
  Job(const Job&) = delete;  // its instances know it by its address
  Job& operator=(const Job&) = delete;

  std::string id;  ///< of this record here; random
  JobSpec spec;
  std::uint32_t world_size = 1;  ///< ranks, on all hosts
  std::uint64_t epoch = 1;
  std::uint64_t newer_epoch = 0;  ///< a copy of it steps under this one; it stands for good. Or 0
  bool standby = false;
  bool superseded = false;  ///< it arrived or started here again; kept for its migration
  std::string migration;    ///< the migration that it is in, or arrives by; or empty
  std::uint32_t restarts = 0;
  std::list<Instance> instances;  ///< by rank; never empty
  bool stop_asked = false;        ///< somebody ended it; not journalled

  [[nodiscard]] const std::string& name() const { return spec.name; }
  [[nodiscard]] const std::string& uid() const { return spec.uid; }
  /// Whether one of its processes is live.
  [[nodiscard]] bool is_live() const;
  /// The instance of its lowest rank here.
  [[nodiscard]] Instance& first() { return instances.front(); }
  [[nodiscard]] const Instance& first() const { return instances.front(); }
};

inline const std::string& Instance::name() const { return job_->name(); }

/// Known processes that still live although their job is over.
[[nodiscard]] std::vector<pid_t> still_alive(const Instance& instance);

/// A process with what there is to say of its job, for people and the API.
[[nodiscard]] boost::json::object to_json(const Instance& instance);
/// Everything that a restarted agent needs, secrets and the environment too: one record, so that
/// what belongs together is on disk together.
[[nodiscard]] boost::json::object to_journal(const Job& job);

/// Reads and checks a request to start a job. Throws Error{bad_request}.
[[nodiscard]] JobSpec job_spec_from(const boost::json::object& body);
/// The device that such a request names, or the first CPU. Throws Error{bad_request}.
[[nodiscard]] std::string device_from(const boost::json::object& body);
[[nodiscard]] boost::json::object to_json(const JobSpec& spec);

}  // namespace cardswap
