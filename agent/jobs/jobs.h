#pragma once

#include <boost/json/object.hpp>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <list>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "agent/base/config.h"
#include "agent/base/event_sink.h"
#include "agent/base/task_group.h"
#include "agent/jobs/device_usage.h"
#include "agent/jobs/job.h"
#include "agent/jobs/job_ownership.h"
#include "agent/jobs/process_family.h"
#include "agent/jobs/standby_logs.h"
#include "agent/journal/journal.h"
#include "agent/process/process.h"
#include "agent/process/supervisor.h"

namespace cardswap {

/// How a job comes to this host.
struct Arriving {
  std::string migration;  ///< the migration that brings it
  std::uint64_t epoch = 0;
  std::string device;
  std::uint64_t reserved_bytes = 0;
  std::string came_from;
};

/// The jobs of this host and their processes. The address of a Job and of an Instance is stable
/// until it is forgotten.
class Jobs {
 public:
  Jobs(asio::io_context& context, TaskGroup& tasks, const Config& config, Journal& journal,
       EventSink& events);

  /// Whom the jobs ask whose they are. Called once, before recover(); `ownership` outlives the
  /// tasks of these jobs.
  void set_ownership(JobOwnership& ownership);
  /// Throws Error{conflict} if the end of this job now could be the end of its only good copy.
  void check_stop(const Job& job) const;
  Signal& changed() { return changed_; }

  /// What became of the jobs that were live when a former agent ended.
  struct Recovered {
    std::size_t taken_up = 0;
    std::size_t gone = 0;  ///< jobs that ended meanwhile in a known way
    std::size_t lost = 0;
  };
  /// Loads the journal's jobs. Watches live primaries again; kills and forgets left-over standbys
  /// unless `keep` says so, and kills processes that a job which is over has left.
  Recovered recover(const std::function<bool(const Instance&)>& keep);

  /// Starts the job's program. Returns its instance. Throws Error as start() does.
  asio::awaitable<std::string> start_primary(JobSpec spec, std::string device);
  /// Adds a standby's record. It has no process until start().
  Instance& add_standby(const JobSpec& spec, const Arriving& arriving);
  /// Starts the program of a record. The program's owner may hold this up for some seconds: the
  /// instance has no process meanwhile, and if it is stopped, it ends as soon as it runs. Throws
  /// Error when the program cannot be started, and forgets the record then.
  /// `stand_in`: runs in place of the job's program until CRIU brings the job's process.
  asio::awaitable<void> start(std::string instance, std::vector<std::string> stand_in = {});
  /// CRIU has restored the job's process here: it replaces the stand-in.
  void take_over(Instance& instance, const ProcessId& root, const ProcessId& init);
  /// The standby is the job's primary now, under the job's name.
  void promote(Job& job, std::uint64_t epoch);
  /// Sends SIGTERM, after `grace` SIGKILL, to the instance and all that it started, whatever its
  /// state, and starts it no more. Returns when they are gone: their pids.
  asio::awaitable<std::vector<pid_t>> stop(std::string instance, std::chrono::milliseconds grace);
  /// Ends, as stop() does, an instance whose job lives elsewhere: does not change its record.
  asio::awaitable<void> end_moved(std::string instance, std::chrono::milliseconds grace);
  [[nodiscard]] const StandbyLogs& standby_logs() const { return standby_logs_; }
  /// What these jobs have of the host's devices.
  [[nodiscard]] const DeviceUsageTable& devices() const { return devices_; }
  /// Every live process of jobs of that name that are over. One walk over /proc a record.
  [[nodiscard]] std::vector<pid_t> left_of(const std::string& name) const;
  /// How the processes of an instance are found.
  [[nodiscard]] static ProcessFamily family_of(const Instance& instance);
  /// Removes the records of that name that are over, with their logs, and the folder if it is empty
  /// then.
  void forget(const std::string& name);
  /// Stops the job's processes for good, because a copy of it steps under a higher epoch. They keep
  /// their state until somebody ends them. Stops them also if the record cannot be written.
  void fence(Job& job, std::uint64_t newer_epoch);
  /// Stops processes of such a job that attach or are found later.
  static void reapply_fence(const Job& job);
  /// JobOwnership::effective_state_of().
  [[nodiscard]] EffectiveState effective_state_of(const Instance& instance) const {
    return ownership().effective_state_of(instance);
  }
  /// to_json(), with its standing: "state" and, where there is one, "note".
  [[nodiscard]] boost::json::object shown(const Instance& instance) const;

  /// Where a program's parent, or the init of a restored one, leaves its exit status.
  [[nodiscard]] static std::filesystem::path status_file(const Instance& instance);
  [[nodiscard]] Job* find(const std::string& name);            ///< the job of that name, no standby
  [[nodiscard]] Instance* by_instance(const std::string& id);  ///< for those who branch on null
  /// The instance of that id. Throws Error{source_lost} where its record is gone: it may end at
  /// each wait.
  [[nodiscard]] Instance& at(const std::string& id);
  [[nodiscard]] Instance* by_token(const std::string& name, const std::string& token);
  [[nodiscard]] std::list<Job>& all() { return jobs_; }
  [[nodiscard]] const std::list<Job>& all() const { return jobs_; }
  /// The instances of all jobs, job by job.
  [[nodiscard]] std::vector<Instance*> instances();
  [[nodiscard]] std::vector<const Instance*> instances() const;
  void save(const Job& job);
  /// Saves facts that another record has too. If the disk refuses, logs that; the job's next change
  /// writes them.
  void save_when_possible(const Job& job);
  void set_state(Instance& instance, InstanceState state);

 private:
  [[nodiscard]] JobOwnership& ownership() const;
  /// A job with one instance, which is not started yet.
  Instance& add(const JobSpec& spec, const std::string& device);
  /// Removes an instance. True: it was the last of its job, which is gone too.
  bool remove(Instance& instance);
  [[nodiscard]] ProcessSpec program_of(const Instance& instance,
                                       std::vector<std::string> stand_in) const;
  asio::awaitable<void> start_process_of(std::string instance, std::vector<std::string> stand_in);
  asio::awaitable<void> watch(std::string instance);
  static asio::awaitable<void> reap(ProcessId child);
  static asio::awaitable<void> end_rest(ProcessFamily family);
  asio::awaitable<void> persist_steps();
  asio::awaitable<void> remove_when_possible(std::string id);
  void ended(Instance& instance);
  void start_again(Instance& instance);
  /// What it was before it was to start again.
  struct Before {
    Instance instance;
    std::uint64_t epoch = 0;
    std::uint32_t restarts = 0;
  };
  asio::awaitable<void> run_again(std::string instance, Before before);
  void tell_lost(const Instance& instance);
  void drop_standby(Instance& instance);
  static bool take_exit_status(Instance& instance);

  asio::io_context& context_;
  TaskGroup& tasks_;
  const Config& config_;
  Journal& journal_;
  EventSink& events_;
  JobOwnership* ownership_ = nullptr;  // until set_ownership()
  Signal changed_;
  std::list<Job> jobs_;
  const StandbyLogs standby_logs_{config_, jobs_};
  const DeviceUsageTable devices_{config_, [this] { return std::as_const(*this).instances(); }};
  std::map<std::string, SupervisedProcess> supervised_;  // of standbys' parents, by instance
};

}  // namespace cardswap
