#pragma once

#include <boost/json/object.hpp>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <list>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/base/agent_event.h"
#include "agent/base/config.h"
#include "agent/base/task_group.h"
#include "agent/jobs/members.h"
#include "agent/journal/journal.h"
#include "agent/process/parent.h"
#include "agent/process/process.h"
#include "migrator/wire/channel.h"

namespace cardswap {

/// One process of a job on this host: a primary, or a standby of a migration to here.
struct Job {
  std::string instance;  ///< of this process here; random
  std::string name;
  std::string uid;  ///< of the job, wherever it runs
  std::string state = "starting";
  std::string device;
  std::vector<std::string> argv;
  std::string cwd;
  std::map<std::string, std::string> env;
  std::string restart = "never";
  std::string user;    ///< its user; empty: the agent's own
  std::string arrive;  ///< its default way to move: "standby" or "criu"
  std::string token;
  ProcessId process;
  ProcessId parent;     ///< of the program, which keeps its exit status; or none
  std::string boot_id;  ///< of the host at their start: pids mean nothing in another boot
  ProcessId init;       ///< of a restored tree: the first process of its PID namespace; or none
  bool standby = false;
  bool stop_asked = false;  ///< somebody ended it; not journalled
  bool superseded = false;  ///< its job arrived or started here again; kept for its migration
  std::uint64_t epoch = 1;
  std::uint64_t newer_epoch = 0;  ///< a copy of it steps under this one; it stands for good. Or 0
  std::uint64_t state_bytes = 0;
  std::uint64_t replayed_bytes = 0;     ///< of the state: what optimizer steps rewrite
  std::uint64_t update_bytes = 0;       ///< gradients of one step; 0: no step can be replayed
  std::uint64_t relocatable_bytes = 0;  ///< of the state: what can go ahead of the process
  std::uint64_t reserved_bytes = 0;
  std::string migration;
  std::string moved_to;
  std::string came_from;
  std::optional<int> exit_code;
  std::optional<int> exit_signal;
  std::string exit_text;
  std::uint32_t restarts = 0;
  std::int64_t started_at_ms = 0;
  std::int64_t ended_at_ms = 0;
  std::string log_path;
  // not journalled:
  bool attached = false;
  bool frozen = false;
  std::uint64_t step = 0;
  double median_step_ms = 0;
  std::string framework;
  std::uint64_t network = 0;       ///< the network namespace of its runtime; 0: not known
  std::vector<ProcessId> remains;  ///< its processes that were found after it was over
  std::uint64_t saved_step = 0;    ///< the step that is on disk
  bool told_too_much = false;      ///< reported an impossible size, and an operator was told
  bool told = false;               ///< its runtime has reported what it tracks
  std::vector<channel::Obstacle> obstacles;  ///< to moving it, as its runtime reports them

  [[nodiscard]] bool live() const {
    return state == "starting" || state == "running" || state == "standby";
  }
  /// Its program does not run yet: it has no process that is known.
  [[nodiscard]] bool is_being_started() const { return live() && process.pid == 0; }
};

/// Known processes that still live although their job is over.
[[nodiscard]] std::vector<pid_t> still_alive(const Job& job);

/// For people and the API; the journal's form has the secrets and the environment too.
[[nodiscard]] boost::json::object to_json(const Job& job);

/// A job's state as its migrations see it.
struct Standing {
  std::string state;  ///< "in_doubt", "frozen"; or as its record has it
  std::string note;   ///< what an operator should know and do; or empty
};

struct JobSpec {
  std::string name;
  std::string uid;
  std::vector<std::string> argv;
  std::string cwd;
  std::map<std::string, std::string> env;
  std::string device;
  std::string restart = "never";
  std::string user;  ///< empty: as the agent is set up
  std::string arrive = "standby";
};

/// Whether a job may have this name: safe as a file's name.
[[nodiscard]] bool is_job_name(std::string_view name);
/// Reads and checks a request to start a job. Throws Error{bad_request}.
[[nodiscard]] JobSpec job_spec_from(const boost::json::object& body);
[[nodiscard]] boost::json::object to_json(const JobSpec& spec);
/// The request that would start `job` again elsewhere.
[[nodiscard]] JobSpec spec_of(const Job& job);

/// What the jobs of a host tell the agent around them and ask of it. Each may be left out.
struct JobHooks {
  /// Called after a process has ended and its job's record was changed.
  std::function<void(Job&)> on_exit = {};
  TellEvent tell = {};
  /// What a job's record does not say; an empty state means that the record's state holds.
  std::function<Standing(const Job&)> standing = {};
  /// Throws Error{conflict} if the end of this job now could be the end of its only good copy.
  std::function<void(const Job&)> check_stop = {};
  /// Whether a failed job may be started again here: not if it may run elsewhere.
  std::function<bool(const Job&)> may_restart = {};
};

/// The jobs of this host and their processes. A Job's address is stable until it is forgotten.
class Jobs {
 public:
  Jobs(asio::io_context& context, TaskGroup& tasks, const Config& config, Journal& journal,
       JobHooks hooks = {});

  /// For `cardswap events`.
  void tell(const AgentEvent& event) const {
    if (hooks_.tell) hooks_.tell(event);
  }
  /// Throws Error{conflict} if the end of this job now could be the end of its only good copy.
  void check_stop(const Job& job) const {
    if (hooks_.check_stop) hooks_.check_stop(job);
  }
  Signal& changed() { return changed_; }

  /// What became of the jobs that were live when a former agent ended.
  struct Recovered {
    std::size_t taken_up = 0;
    std::size_t gone = 0;  ///< jobs that ended meanwhile in a known way
    std::size_t lost = 0;
  };
  /// Loads the journal's jobs. Watches live primaries again; kills and forgets left-over standbys
  /// unless `keep(job)`, and kills processes that a job which is over has left.
  Recovered recover(const std::function<bool(const Job&)>& keep);

  /// Starts the job's program. Returns its instance. Throws Error as start() does.
  asio::awaitable<std::string> start_primary(JobSpec spec);
  /// Adds a standby's record. It has no process until start().
  Job& add_standby(const JobSpec& spec, const std::string& migration, std::uint64_t epoch,
                   std::uint64_t reserved_bytes, const std::string& came_from);
  /// Starts the program of a record. The program's owner may hold this up for some seconds: the
  /// job has no process meanwhile, and if it is stopped, it ends as soon as it runs. Throws Error
  /// when the program cannot be started, and forgets the record then.
  /// `stand_in`: runs in place of the job's program until CRIU brings the job's process.
  asio::awaitable<void> start(std::string instance, std::vector<std::string> stand_in = {});
  /// CRIU has restored the job's process here: it replaces the stand-in.
  void take_over(Job& job, const ProcessId& root, const ProcessId& init);
  /// The standby is the job's primary now, under the job's name.
  void promote(Job& job, std::uint64_t epoch);
  /// Sends SIGTERM, after `grace` SIGKILL, to every process of the job here, in any state of the
  /// job. Returns when they are gone: their pids.
  asio::awaitable<std::vector<pid_t>> stop(std::string instance, std::chrono::milliseconds grace);
  /// The same for a job that lives elsewhere: does not change its record.
  asio::awaitable<void> end_moved(std::string instance, std::chrono::milliseconds grace);
  /// Logs of failed standbys that are still kept, the latest first.
  [[nodiscard]] std::vector<std::filesystem::path> standby_logs(const std::string& name) const;
  /// Removes the log of a standby whose reservation is forgotten, and its folder if nothing else is
  /// in it. False: the log belongs to a job that is still known, and stays.
  bool forget_standby_log(const std::string& name, const std::string& migration) const;
  /// Every live process of jobs of that name that are over. One walk over /proc a record.
  [[nodiscard]] std::vector<pid_t> left_of(const std::string& name) const;
  /// Removes the records of that name that are over, with their logs, and the folder if it is empty
  /// then.
  void forget(const std::string& name);
  /// Stops the job's processes for good, because a copy of it steps under a higher epoch. They keep
  /// their state until somebody ends them. Stops them also if the record cannot be written.
  void fence(Job& job, std::uint64_t newer_epoch);
  /// Stops processes of such a job that attach or are found later.
  static void keep_fenced(const Job& job);
  [[nodiscard]] Standing standing_of(const Job& job) const;
  /// to_json(), with its standing: "state" and, where there is one, "note".
  [[nodiscard]] boost::json::object shown(const Job& job) const;

  /// Where a job's parent, or the init of a restored one, leaves its exit status.
  [[nodiscard]] static std::filesystem::path status_file(const Job& job);
  [[nodiscard]] Job* find(const std::string& name);  ///< the job of that name, no standby
  [[nodiscard]] Job* by_instance(const std::string& instance);
  [[nodiscard]] Job* by_token(const std::string& name, const std::string& token);
  [[nodiscard]] std::list<Job>& all() { return jobs_; }
  [[nodiscard]] const std::list<Job>& all() const { return jobs_; }
  void save(const Job& job);
  /// For facts that another record has too. If the disk refuses, logs that; the job's next change
  /// writes them.
  void save_when_possible(const Job& job);
  void set_state(Job& job, const std::string& state);

  struct Device {
    std::string name;
    std::string kind;   ///< "cpu" or "cuda"
    std::string model;  ///< of a GPU, if known; so is the next
    std::string uuid;
    std::uint64_t total_bytes = 0;
    std::uint64_t reserved_bytes = 0;
    std::uint64_t free_bytes = 0;
    std::vector<std::string> jobs;
  };
  [[nodiscard]] std::vector<Device> devices() const;
  /// All bytes of `device`; 0 if there is no such device.
  [[nodiscard]] std::uint64_t device_bytes(const std::string& device) const;
  /// Throws Error{not_found}, which lists the devices.
  [[nodiscard]] Device device(const std::string& name) const;

 private:
  Job& add(const JobSpec& spec);
  [[nodiscard]] ProcessSpec program_of(const Job& job, std::vector<std::string> stand_in) const;
  asio::awaitable<void> start_process_of(std::string instance, std::vector<std::string> stand_in);
  asio::awaitable<void> watch(std::string instance);
  static asio::awaitable<void> reap(ProcessId child);
  static asio::awaitable<void> end_rest(Family family);
  asio::awaitable<void> keep_steps();
  void ended(Job& job);
  void start_again(Job& job);
  asio::awaitable<void> run_again(std::string instance, Job before);
  void tell_lost(const Job& job);
  void drop_standby(const std::string& instance);
  void keep_few_logs(const std::string& name) const;
  void remove_log(const std::filesystem::path& log) const;
  static bool take_exit_status(Job& job);
  [[nodiscard]] static Family family_of(const Job& job);

  asio::io_context& context_;
  TaskGroup& tasks_;
  const Config& config_;
  Journal& journal_;
  JobHooks hooks_;
  Signal changed_;
  std::list<Job> jobs_;
  std::map<std::string, Kept> leashes_;  // of standbys' parents, by instance
};

}  // namespace cardswap
