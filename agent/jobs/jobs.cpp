#include "agent/jobs/jobs.h"

#include <fmt/format.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/json.hpp>

#include "agent/criu/exit_status.h"
#include "agent/jobs/job_journal.h"
#include "agent/units.h"
#include "migrator/error.h"

namespace cardswap {
namespace {

constexpr std::chrono::seconds kStandbyGrace{0};
constexpr std::uint32_t kRestartsMax = 5;

std::uint64_t machine_memory() {
  return static_cast<std::uint64_t>(::sysconf(_SC_PHYS_PAGES)) *
         static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
}

}  // namespace

Jobs::Jobs(asio::io_context& context, TaskGroup& tasks, const Config& config, Journal& journal)
    : context_(context), tasks_(tasks), config_(config), journal_(journal), changed_(context) {}

void Jobs::recover(const std::function<bool(const Job&)>& keep) {
  for (const auto& record : journal_.all(Journal::Kind::job)) {
    auto& job = jobs_.emplace_back(job_from_journal(record));
    if (!job.live()) continue;
    if (job.newer_epoch != 0) keep_fenced(job);
    if (job.standby && !keep(job)) {
      if (!signal_group(job.process, SIGKILL)) {
        kill_remains(job.process, "CARDSWAP_TOKEN=" + job.token);
      }
      job.state = "lost";
      job.reserved_bytes = 0;
      save(job);
      continue;
    }
    tasks_.spawn("watch " + job.name, watch(job.instance));
  }
}

Job& Jobs::add(const JobSpec& spec) {
  Job job;
  job.instance = random_hex(8);
  job.name = spec.name;
  job.uid = spec.uid.empty() ? random_hex(16) : spec.uid;
  job.device = spec.device;
  job.argv = spec.argv;
  job.cwd = spec.cwd;
  job.env = spec.env;
  job.restart = spec.restart;
  job.user = spec.user.empty() ? config_.job_user : spec.user;
  job.arrive = spec.arrive;
  job.token = random_hex(16);
  job.log_path = (config_.job_dir(spec.name) / "log").string();
  return jobs_.emplace_back(std::move(job));
}

Job& Jobs::start_primary(const JobSpec& spec) {
  (void)device(spec.device);
  if (auto* old = find(spec.name)) {
    if (old->live()) {
      throw Error(Code::conflict, fmt::format("job {} runs already on {}", spec.name, old->device),
                  "choose another --name, or `cardswap stop " + spec.name + "` first");
    }
    forget(spec.name);
  }
  std::error_code gone;
  std::filesystem::remove(config_.job_dir(spec.name) / "log", gone);
  auto& job = add(spec);
  try {
    start(job);
  } catch (...) {
    jobs_.pop_back();
    throw;
  }
  return job;
}

Job& Jobs::start_standby(const JobSpec& spec, const std::string& migration, std::uint64_t epoch,
                         std::uint64_t reserved_bytes, const std::string& came_from,
                         const std::vector<std::string>& stand_in) {
  auto& job = add(spec);
  job.standby = true;
  job.migration = migration;
  job.epoch = epoch;
  job.reserved_bytes = reserved_bytes;
  job.came_from = came_from;
  job.log_path = (config_.job_dir(spec.name) / ("log-" + migration)).string();
  try {
    start(job, stand_in);
  } catch (...) {
    jobs_.pop_back();
    throw;
  }
  return job;
}

void Jobs::start(Job& job, const std::vector<std::string>& stand_in) {
  ProcessSpec spec;
  spec.argv = stand_in.empty() ? job.argv : stand_in;
  spec.env = job.env;
  spec.cwd = job.cwd;
  spec.log = job.log_path;
  spec.dies_with_agent = job.standby;
  spec.no_new_privs = config_.no_new_privs;
  if (!job.user.empty()) {
    spec.user = job_user(job.user);
    spec.env["HOME"] = spec.user->home;
    spec.env["USER"] = spec.env["LOGNAME"] = spec.user->name;
  }
  spec.env["CARDSWAP_SOCKET"] = config_.runtime_socket().string();
  spec.env["CARDSWAP_JOB"] = job.name;
  spec.env["CARDSWAP_TOKEN"] = job.token;
  spec.env["CARDSWAP_ROLE"] = job.standby ? "standby" : "primary";
  spec.env["CARDSWAP_DEVICE"] = job.device;
  spec.env["CUDA_DEVICE_ORDER"] = "PCI_BUS_ID";  // so that cuda:1 there is NVML's second, as here
  // UCX is a guest in the trainer: no signal handlers, no hooks in its allocator, no log on stdout.
  for (const auto& [key, value] : std::map<std::string, std::string>{{"UCX_HANDLE_ERRORS", "none"},
                                                                     {"UCX_ERROR_SIGNALS", ""},
                                                                     {"UCX_MEM_EVENTS", "n"},
                                                                     {"UCX_VFS_ENABLE", "n"},
                                                                     {"UCX_LOG_FILE", "stderr"},
                                                                     {"UCX_LOG_LEVEL", "fatal"}}) {
    spec.env.emplace(key, value);
  }
  job.state = "starting";
  job.started_at_ms = unix_ms();
  job.process = start_process(spec);
  try {
    save(job);
  } catch (...) {
    signal_group(job.process, SIGKILL);
    throw;
  }
  tasks_.spawn("watch " + job.name, watch(job.instance));
}

asio::awaitable<void> Jobs::watch(std::string instance) {
  // A restored job ends with its init, which has left the exit status by then.
  const auto life_of = [](const Job& job) { return job.init.pid != 0 ? job.init : job.process; };
  auto* job = by_instance(instance);
  if (job == nullptr) co_return;
  const auto watched = life_of(*job);
  const int fd = open_pidfd(watched);
  if (fd >= 0) {
    asio::posix::stream_descriptor descriptor(context_, fd);
    co_await descriptor.async_wait(asio::posix::stream_descriptor::wait_read, asio::use_awaitable);
  }
  job = by_instance(instance);
  if (job != nullptr && life_of(*job) == watched) {
    ended(*job);
  } else {
    (void)::waitpid(watched.pid, nullptr, WNOHANG);  // a stand-in, whose time was over
  }
}

void Jobs::take_over(Job& job, const ProcessId& root, const ProcessId& init) {
  auto record = job;
  record.process = root;
  record.init = init;
  save(record);  // on a full disk the job stays what it was
  job = std::move(record);
  tasks_.spawn("watch " + job.name, watch(job.instance));
  changed_.notify();
}

std::filesystem::path Jobs::status_file(const Job& job) { return job.log_path + ".exit"; }

void Jobs::take_exit_status(Job& job) {
  int status = 0;
  if (job.init.pid != 0) {
    (void)::waitpid(job.init.pid, nullptr, WNOHANG);
    const auto file = status_file(job);
    const auto told = criu::read_exit_status(file);
    job.exit_code = told ? told->code : std::nullopt;
    job.exit_signal = told ? told->signal : SIGKILL;
    if (!told) job.exit_text = "it was killed together with its PID namespace";
    std::error_code ignored;
    std::filesystem::remove(file, ignored);
  } else if (::waitpid(job.process.pid, &status, WNOHANG) == job.process.pid) {
    if (WIFEXITED(status)) job.exit_code = WEXITSTATUS(status);
    if (WIFSIGNALED(status)) job.exit_signal = WTERMSIG(status);
  } else {
    job.exit_text = "its status is not known: the agent was restarted while it ran";
  }
}

void Jobs::ended(Job& job) {
  job.attached = false;
  job.ended_at_ms = unix_ms();
  job.exit_text.clear();
  // What it left behind in its group: while it can be waited for, its number is nobody else's.
  if (!signal_group(job.process, SIGKILL)) {
    kill_remains(job.process, "CARDSWAP_TOKEN=" + job.token);
  }
  take_exit_status(job);
  job.init = {};
  job.reserved_bytes = 0;
  const bool failed = job.exit_signal || job.exit_code.value_or(0) != 0;
  if (job.state != "moved") {
    job.state = !failed ? "ended" : job.stop_asked ? "stopped" : "failed";
  }
  if (on_exit) on_exit(job);
  if (failed && job.state == "failed" && !job.standby && job.restart == "on-failure" &&
      job.restarts < kRestartsMax && !tasks_.stopping() && (!may_restart || may_restart(job))) {
    ++job.restarts;
    ++job.epoch;
    job.exit_code.reset();
    job.exit_signal.reset();
    job.ended_at_ms = 0;
    start(job);
  }
  save(job);
  changed_.notify();
}

void Jobs::promote(Job& job, std::uint64_t epoch) {
  for (auto& other : jobs_) {
    if (other.name == job.name && &other != &job && !other.superseded) {
      other.superseded = true;
      save(other);
    }
  }
  job.standby = false;
  job.migration.clear();  // that one is at its source; the next one from here is another
  job.epoch = epoch;
  job.state = "running";
  save(job);
  changed_.notify();
}

asio::awaitable<void> Jobs::stop(std::string instance, std::chrono::milliseconds grace) {
  auto* job = by_instance(instance);
  if (job == nullptr || !job->live()) co_return;
  job->restart = "never";
  job->stop_asked = true;
  if (job->newer_epoch != 0) grace = kStandbyGrace;  // it must not go on to hear SIGTERM
  const auto deadline = std::chrono::steady_clock::now() + grace;
  signal_group(job->process, grace > kStandbyGrace ? SIGTERM : SIGKILL);
  while ((job = by_instance(instance)) != nullptr && job->ended_at_ms == 0) {
    if (std::chrono::steady_clock::now() >= deadline) signal_group(job->process, SIGKILL);
    co_await changed_.wait_until(
        std::max(deadline, std::chrono::steady_clock::now() + std::chrono::milliseconds(100)));
  }
}

void Jobs::forget(const std::string& name) {
  for (auto job = jobs_.begin(); job != jobs_.end();) {
    if (job->name == name && !job->live()) {
      journal_.remove(Journal::Kind::job, job->instance);
      job = jobs_.erase(job);
    } else {
      ++job;
    }
  }
}

Job* Jobs::find(const std::string& name) {
  Job* found = nullptr;
  for (auto& job : jobs_) {
    if (job.name == name && !job.standby && !job.superseded) found = &job;
  }
  return found;
}

Job* Jobs::by_instance(const std::string& instance) {
  const auto found = std::find_if(jobs_.begin(), jobs_.end(),
                                  [&](const Job& job) { return job.instance == instance; });
  return found == jobs_.end() ? nullptr : &*found;
}

Job* Jobs::by_token(const std::string& name, const std::string& token) {
  const auto found = std::find_if(jobs_.begin(), jobs_.end(), [&](const Job& job) {
    return job.name == name && job.token == token && job.live();
  });
  return found == jobs_.end() ? nullptr : &*found;
}

void Jobs::save(const Job& job) { journal_.put(Journal::Kind::job, job.instance, to_journal(job)); }

void Jobs::set_state(Job& job, const std::string& state) {
  if (job.state == state) return;
  job.state = state;
  save(job);
  changed_.notify();
}

std::vector<Jobs::Device> Jobs::devices() const {
  std::vector<Device> result;
  for (const auto& configured : config_.devices) {
    Device device;
    device.name = configured.name;
    device.kind = configured.kind();
    device.model = configured.model;
    device.uuid = configured.uuid;
    device.total_bytes = configured.memory_bytes == 0 ? machine_memory() : configured.memory_bytes;
    for (const auto& job : jobs_) {
      if (!job.live() || job.device != device.name) continue;
      device.reserved_bytes += std::max(job.reserved_bytes, job.state_bytes);
      device.jobs.push_back(job.name);
    }
    device.free_bytes = device.total_bytes - std::min(device.total_bytes, device.reserved_bytes);
    result.push_back(std::move(device));
  }
  return result;
}

Jobs::Device Jobs::device(const std::string& name) const {
  std::vector<std::string> names;
  for (auto& device : devices()) {
    if (device.name == name) return device;
    names.push_back(device.name);
  }
  throw Error(Code::not_found,
              fmt::format("there is no device '{}' on {}", name, config_.host_name),
              fmt::format("it has: {}", fmt::join(names, ", ")));
}

}  // namespace cardswap
