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

/// One process of a job on this host: a primary, or a standby on its way in.
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
  std::string user;    ///< whom it runs as; empty: whom the agent runs as
  std::string arrive;  ///< how it moves unless told otherwise: "standby" or "criu"
  std::string token;
  ProcessId process;
  ProcessId parent;     ///< of the program, which keeps its exit status; or none
  std::string boot_id;  ///< of the host when these were started: they mean nothing in another
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
  std::uint64_t network = 0;                 ///< the namespace that its runtime is in; 0: not known
  std::vector<ProcessId> remains;            ///< processes of it that were met after it was over
  std::uint64_t saved_step = 0;              ///< that is on disk
  bool told_too_much = false;                ///< of its size, and an operator was told
  bool told = false;                         ///< its runtime has said what it tracks
  std::vector<channel::Obstacle> obstacles;  ///< in the way of moving it, as its runtime says

  [[nodiscard]] bool live() const {
    return state == "starting" || state == "running" || state == "standby";
  }
};

/// Processes of a job that is not live which live nevertheless, as far as they are known.
[[nodiscard]] std::vector<pid_t> still_alive(const Job& job);

/// For people and the API; the journal's form has the secrets and the environment too.
[[nodiscard]] boost::json::object to_json(const Job& job);

/// What a job's migrations make of it, for those who look.
struct Standing {
  std::string state;  ///< "in_doubt", "frozen"; or as its record has it
  std::string note;   ///< what to know of it, and what to do; or empty
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

/// What a job may be called: safe as a file's name.
[[nodiscard]] bool is_job_name(std::string_view name);
/// Reads and checks what a client or another agent wants started. Throws Error{bad_request}.
[[nodiscard]] JobSpec job_spec_from(const boost::json::object& body);
[[nodiscard]] boost::json::object to_json(const JobSpec& spec);
/// What would start `job` again elsewhere.
[[nodiscard]] JobSpec spec_of(const Job& job);

/// What the jobs of a host tell the agent around them and ask of it. Each may be left out.
struct JobHooks {
  /// Called when a process has ended, after its job's record was changed.
  std::function<void(Job&)> on_exit = {};
  TellEvent tell = {};
  /// What is not in a job's record; its state is empty where that stands.
  std::function<Standing(const Job&)> standing = {};
  /// Throws Error{conflict} where to end the job now could end its only good copy.
  std::function<void(const Job&)> check_stop = {};
  /// Whether a job that failed may be started again here: not where it may go on elsewhere.
  std::function<bool(const Job&)> may_restart = {};
};

/// The jobs of this host and their processes. Addresses of jobs are stable until forgotten.
class Jobs {
 public:
  Jobs(asio::io_context& context, TaskGroup& tasks, const Config& config, Journal& journal,
       JobHooks hooks = {});

  /// For `cardswap events`.
  void tell(const AgentEvent& event) const {
    if (hooks_.tell) hooks_.tell(event);
  }
  /// Throws Error{conflict} where to end the job now could end its only good copy.
  void check_stop(const Job& job) const {
    if (hooks_.check_stop) hooks_.check_stop(job);
  }
  Signal& changed() { return changed_; }

  /// Of the jobs that were live when a former agent ended.
  struct Recovered {
    std::size_t taken_up = 0;
    std::size_t gone = 0;  ///< they ended meanwhile, and it is known how
    std::size_t lost = 0;
  };
  /// Takes back what the journal knows: live primaries are watched again, left-over standbys are
  /// killed and forgotten unless `keep(job)`; so is what a job that is over has left alive.
  Recovered recover(const std::function<bool(const Job&)>& keep);

  Job& start_primary(const JobSpec& spec);
  /// `stand_in`: what runs in the place of the job's program until its process is brought here.
  Job& start_standby(const JobSpec& spec, const std::string& migration, std::uint64_t epoch,
                     std::uint64_t reserved_bytes, const std::string& came_from,
                     const std::vector<std::string>& stand_in = {});
  /// The job's process was restored here; what stood in its place is no more its process.
  void take_over(Job& job, const ProcessId& root, const ProcessId& init);
  /// The standby holds the job now, under its name.
  void promote(Job& job, std::uint64_t epoch);
  /// SIGTERM, after `grace` SIGKILL, for every process that the job has here, whatever its state
  /// is. Returns when they are gone: which there were.
  asio::awaitable<std::vector<pid_t>> stop(std::string instance, std::chrono::milliseconds grace);
  /// The same for a job that lives elsewhere: its record stays what it is.
  asio::awaitable<void> see_off(std::string instance, std::chrono::milliseconds grace);
  /// Of standbys that came to nothing, the latest first, as long as they are kept.
  [[nodiscard]] std::vector<std::filesystem::path> standby_logs(const std::string& name) const;
  /// The log of a standby whose reservation is forgotten, and its folder where that was all. False:
  /// it is that of a job that is still known, and stays.
  bool forget_standby_log(const std::string& name, const std::string& migration) const;
  /// Every process of that name's jobs that are over. One walk over /proc a record.
  [[nodiscard]] std::vector<pid_t> left_of(const std::string& name) const;
  /// The records of that name that are over, with their logs and, where that was all, the folder.
  void forget(const std::string& name);
  /// Stops its processes where they are, for good: a copy of it steps under a higher epoch. They
  /// keep their state until somebody ends them. Stopped also when the record cannot be written.
  void fence(Job& job, std::uint64_t newer_epoch);
  /// For those that attach or are found again nevertheless.
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
  /// For what another record has too. Where the disk refuses, that is logged and the job's next
  /// change is written with it.
  void save_when_possible(const Job& job);
  void set_state(Job& job, const std::string& state);

  struct Device {
    std::string name;
    std::string kind;   ///< "cpu" or "cuda"
    std::string model;  ///< of a GPU, where it is known; the same for the next
    std::string uuid;
    std::uint64_t total_bytes = 0;
    std::uint64_t reserved_bytes = 0;
    std::uint64_t free_bytes = 0;
    std::vector<std::string> jobs;
  };
  [[nodiscard]] std::vector<Device> devices() const;
  /// What `device` has in all; 0 where there is none of that name.
  [[nodiscard]] std::uint64_t device_bytes(const std::string& device) const;
  /// Throws Error{not_found} with the devices that there are.
  [[nodiscard]] Device device(const std::string& name) const;

 private:
  Job& add(const JobSpec& spec);
  void start(Job& job, const std::vector<std::string>& stand_in = {});
  void start_process_of(Job& job, const ProcessSpec& spec, bool kept);
  asio::awaitable<void> watch(std::string instance);
  static asio::awaitable<void> reap(ProcessId child);
  static asio::awaitable<void> end_rest(Family family);
  asio::awaitable<void> keep_steps();
  void ended(Job& job);
  void start_again(Job& job);
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
