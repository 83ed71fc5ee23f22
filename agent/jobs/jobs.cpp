#include "agent/jobs/jobs.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <signal.h>

#include <algorithm>
#include <boost/json.hpp>
#include <cassert>

#include "agent/base/units.h"
#include "agent/jobs/lost_job.h"
#include "agent/jobs/user_policy.h"
#include "agent/process/child.h"
#include "agent/process/log_file.h"
#include "migrator/base/environment.h"
#include "migrator/base/error.h"
#include "migrator/link/ucx/guest_environment.h"

namespace cardswap {
Jobs::Jobs(asio::io_context& context, TaskGroup& tasks, const Config& config, Journal& journal,
           EventSink& events)
    : context_(context),
      tasks_(tasks),
      config_(config),
      journal_(journal),
      events_(events),
      changed_(context) {}

void Jobs::set_ownership(JobOwnership& ownership) {
  assert(ownership_ == nullptr);
  ownership_ = &ownership;
}

JobOwnership& Jobs::ownership() const {
  assert(ownership_ != nullptr);
  return *ownership_;
}

Instance& Jobs::add(const JobSpec& spec, const std::string& device) {
  auto& job = jobs_.emplace_back();
  job.id = random_hex(8);
  job.spec = spec;
  if (spec.uid.empty()) job.spec.uid = random_hex(16);
  if (spec.user.empty()) job.spec.user = config_.job_user;
  auto& instance = job.instances.emplace_back(job);
  instance.id = random_hex(8);
  instance.device = device;
  instance.token = random_hex(16);
  instance.log_path = (config_.job_dir(spec.name) / "log").string();
  return instance;
}

asio::awaitable<std::string> Jobs::start_primary(JobSpec spec, std::string on) {
  (void)devices_.at(on);
  if (auto* old = find(spec.name)) {
    if (old->live()) {
      throw Error(Code::conflict,
                  fmt::format("job {} runs already on {}", spec.name, old->first().device),
                  "choose another --name, or `cardswap stop " + spec.name + "` first");
    }
    if (const auto left = left_of(spec.name); !left.empty()) {
      throw Error(Code::conflict,
                  fmt::format("job {} is {}, but processes of it live on: {}", spec.name,
                              to_string(old->first().state), fmt::join(left, ", ")),
                  "`cardswap stop " + spec.name + "` ends them");
    }
    forget(spec.name);
  }
  for (const auto& job : jobs_) {
    if (job.name() != spec.name || !job.standby || !job.live()) continue;
    throw Error(Code::conflict,
                fmt::format("a job {} is on its way here (migration {})", spec.name, job.migration),
                "choose another --name, or wait for that migration");
  }
  make_job_folder(config_.job_dir(spec.name));
  std::error_code gone;
  std::filesystem::remove(config_.job_dir(spec.name) / "log", gone);
  auto instance = add(spec, on).id;
  co_await start(instance);
  co_return instance;
}

Instance& Jobs::add_standby(const JobSpec& spec, const Arriving& arriving) {
  const auto file = "log-" + arriving.migration;
  if (std::filesystem::path(file).filename() != file) {  // whoever made the id should have said so
    throw Error(Code::bad_request, "the id of a migration is no part of a file's name");
  }
  auto& instance = add(spec, arriving.device);
  auto& job = instance.job();
  job.standby = true;
  job.migration = arriving.migration;
  job.epoch = arriving.epoch;
  instance.reserved_bytes = arriving.reserved_bytes;
  instance.came_from = arriving.came_from;
  instance.log_path = (config_.job_dir(spec.name) / file).string();
  return instance;
}

asio::awaitable<void> Jobs::start(std::string id, std::vector<std::string> stand_in) {
  try {
    co_await start_process_of(id, std::move(stand_in));
  } catch (...) {
    if (auto* instance = by_instance(id)) (void)remove(*instance);
    changed_.notify();
    throw;
  }
}

ProcessSpec Jobs::program_of(const Instance& instance, std::vector<std::string> stand_in) const {
  const auto& job = instance.job();
  ProcessSpec spec;
  spec.argv = stand_in.empty() ? job.spec.argv : std::move(stand_in);
  spec.env = job.spec.env;
  spec.cwd = job.spec.cwd.empty() ? std::string("/") : job.spec.cwd;
  spec.log = instance.log_path;
  spec.dies_with_agent = job.standby;
  spec.no_new_privs = config_.no_new_privs;
  // Empty in a record of an agent that had no --job-user: that user is not to become this one's.
  const auto& user = job.spec.user.empty() ? config_.job_user : job.spec.user;
  if (!user.empty()) {
    spec.user = job_user(user);
    if (!config_.job_user.empty()) spec.user = without_groups_like_root(std::move(*spec.user));
    spec.env["HOME"] = spec.user->home;
    spec.env["USER"] = spec.env["LOGNAME"] = spec.user->name;
  }
  spec.env[environment::kSocket] = config_.runtime_socket().string();
  spec.env[environment::kJob] = job.name();
  spec.env[environment::kToken] = instance.token;
  spec.env[environment::kRole] = job.standby ? environment::kStandby : environment::kPrimary;
  spec.env[environment::kDevice] = instance.device;
  spec.env["CUDA_DEVICE_ORDER"] = "PCI_BUS_ID";  // so that cuda:1 there is NVML's second, as here
  for (const auto& [key, value] : ucx::kGuestEnvironment) spec.env.emplace(key, value);
  return spec;
}

/// Under a parent of its own. What stands in for a program is ours, and the agent's own child.
asio::awaitable<void> Jobs::start_process_of(std::string id, std::vector<std::string> stand_in) {
  auto* instance = by_instance(id);
  if (instance == nullptr) throw Error(Code::not_found, "the job is gone");
  const bool kept = stand_in.empty();
  auto spec = program_of(*instance, std::move(stand_in));
  const auto status = status_file(*instance);
  instance->state = InstanceState::starting;
  instance->started_at_ms = unix_ms();
  instance->step = instance->saved_step = 0;
  instance->boot_id = boot_id();
  instance->process = instance->parent = {};
  make_job_folder(config_.job_dir(instance->name()));
  std::error_code absent;
  std::filesystem::remove(status, absent);  // of an earlier one
  SupervisedProcess started;
  if (kept) {
    started = co_await start_supervised(std::move(spec), status);
  } else {
    started.program = co_await start_child(std::move(spec));
  }
  const auto child = kept ? started.parent : started.program;
  instance = by_instance(id);
  try {
    if (instance == nullptr) throw Error(Code::cancelled, "the job was given up while it started");
    instance->process = started.program;
    instance->parent = started.parent;
    save(instance->job());
  } catch (...) {
    signal_group(started.program, SIGKILL);  // its parent ends with its lifeline
    tasks_.spawn("reap", reap(child));
    throw;
  }
  if (instance->job().stop_asked) signal_group(instance->process, SIGKILL);
  if (kept && instance->job().standby) {
    supervised_[id] = std::move(started);
  } else if (kept) {
    started.let_live();  // it is on disk: the next agent finds it
  }
  tasks_.spawn("watch " + instance->name(), watch(id));
  changed_.notify();
}

bool Jobs::remove(Instance& instance) {
  auto& job = instance.job();
  job.instances.remove_if([&](const Instance& one) { return &one == &instance; });
  if (!job.instances.empty()) return false;
  jobs_.remove_if([&](const Job& one) { return &one == &job; });
  return true;
}

void Jobs::take_over(Instance& instance, const ProcessId& root, const ProcessId& init) {
  const auto before = instance;
  instance.process = root;
  instance.init = init;
  instance.parent = {};
  try {
    save(instance.job());
  } catch (...) {  // on a full disk it stays what it was
    instance = before;
    throw;
  }
  tasks_.spawn("watch " + instance.name(), watch(instance.id));
  changed_.notify();
}

/// The grant is on disk, in the reservation's record: from here on nothing may keep the standby
/// from its word, a full disk neither.
void Jobs::promote(Job& job, std::uint64_t epoch) {
  for (auto& other : jobs_) {
    if (other.name() != job.name() || &other == &job || other.superseded || other.standby) continue;
    // One that lives and is not what moves is another job: nobody may make it disappear.
    const bool source =
        job.uid().empty() ? other.migration == job.migration : other.uid() == job.uid();
    if (other.live() && !source) {
      spdlog::error("two jobs of the name {} run here: migration {} has brought one", job.name(),
                    job.migration);
      continue;
    }
    other.superseded = true;
    save_when_possible(other);
  }
  job.standby = job.superseded = false;
  job.migration.clear();  // that one is at its source; the next one from here is another
  job.epoch = epoch;
  for (auto& instance : job.instances) instance.state = InstanceState::running;
  save_when_possible(job);
  for (const auto& instance : job.instances) {
    if (const auto standby = supervised_.find(instance.id); standby != supervised_.end()) {
      standby->second.let_live();
      supervised_.erase(standby);
    }
  }
  changed_.notify();
}

void Jobs::forget(const std::string& name) {
  std::vector<std::filesystem::path> logs;
  for (auto job = jobs_.begin(); job != jobs_.end();) {
    if (job->name() == name && !job->live()) {
      journal_.remove(Journal::Kind::job, job->id);
      for (const auto& instance : job->instances) logs.emplace_back(instance.log_path);
      job = jobs_.erase(job);
    } else {
      ++job;
    }
  }
  const auto standbys = standby_logs_.of(name);
  logs.insert(logs.end(), standbys.begin(), standbys.end());
  for (const auto& log : logs) standby_logs_.remove(log);
}

void Jobs::check_stop(const Job& job) const {
  for (const auto& instance : job.instances) ownership().check_stop(instance);
}

Job* Jobs::find(const std::string& name) {
  Job* found = nullptr;
  for (auto& job : jobs_) {
    if (job.name() == name && !job.standby && !job.superseded) found = &job;
  }
  return found;
}

std::vector<Instance*> Jobs::instances() {
  std::vector<Instance*> all;
  for (auto& job : jobs_) {
    for (auto& instance : job.instances) all.push_back(&instance);
  }
  return all;
}

std::vector<const Instance*> Jobs::instances() const {
  std::vector<const Instance*> all;
  for (const auto& job : jobs_) {
    for (const auto& instance : job.instances) all.push_back(&instance);
  }
  return all;
}

Instance* Jobs::by_instance(const std::string& id) {
  for (auto& job : jobs_) {
    for (auto& instance : job.instances) {
      if (instance.id == id) return &instance;
    }
  }
  return nullptr;
}

Instance& Jobs::at(const std::string& id) {
  if (auto* instance = by_instance(id)) return *instance;
  throw Error(Code::source_lost, "the job's process has ended, and its record is gone",
              "`cardswap jobs` lists what runs here; `cardswap logs` may say why it ended");
}

Instance* Jobs::by_token(const std::string& name, const std::string& token) {
  for (auto* instance : instances()) {
    if (instance->name() == name && instance->token == token && instance->live()) return instance;
  }
  return nullptr;
}

void Jobs::save_when_possible(const Job& job) {
  try {
    save(job);
  } catch (const Error& disk) {
    spdlog::error("job {}: {}", job.name(), disk.what());
  }
}

void Jobs::save(const Job& job) { journal_.put(Journal::Kind::job, job.id, to_journal(job)); }

void Jobs::set_state(Instance& instance, InstanceState state) {
  if (instance.state == state) return;
  instance.state = state;
  save(instance.job());
  changed_.notify();
}

}  // namespace cardswap
