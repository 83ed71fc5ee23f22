#include "agent/health/monitor.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json.hpp>

#include "agent/base/shown.h"
#include "agent/base/units.h"
#include "agent/health/policy_yaml.h"
#include "agent/jobs/device_facts.h"

namespace cardswap::health {
namespace {

namespace json = boost::json;
using std::chrono::milliseconds;

constexpr milliseconds kLookEvery{200};

Policy policy_of(const Config& config) {
  if (config.health_policy.empty()) return {};
  return policy_from_file(config.health_policy);
}

/// The agent's devices under the names that the policy and the machine give them.
std::vector<DeviceName> names_of(const Config& config, const Policy& policy) {
  std::vector<DeviceName> names;
  for (const auto& device : config.devices) {
    DeviceName name{device.name, {}, {}};
    for (const auto& given : policy.devices) {
      if (given.name == device.name) name = given;
    }
    if (name.uuid.empty()) {
      name.uuid = device.kind() == "cpu" ? device_uuid(device.name) : device.uuid;
    }
    names.push_back(std::move(name));
  }
  return names;
}

/// What the policy says about devices that this agent does not have is most likely a slip.
void warn_of_strangers(const Config& config, const Policy& policy) {
  for (const auto& given : policy.devices) {
    const bool here = std::any_of(config.devices.begin(), config.devices.end(),
                                  [&](const auto& device) { return device.name == given.name; });
    if (!here) {
      spdlog::warn("health: the policy names {}, which is no --device of this agent", given.name);
    }
  }
}

}  // namespace

Monitor::Monitor(asio::io_context& context, TaskGroup& tasks, const Config& config, Jobs& jobs,
                 Migrations& migrations, Hooks hooks)
    : context_(context),
      tasks_(tasks),
      config_(config),
      jobs_(jobs),
      migrations_(migrations),
      hooks_(std::move(hooks)),
      log_(config.data_dir / "journal.db"),
      engine_(policy_of(config), names_of(config, policy_of(config))),
      wake_(context),
      changed_(context),
      turn_(context),
      started_ms_(unix_ms()) {
  warn_of_strangers(config, engine_.policy());
  for (const auto& record : log_.kept()) {
    try {
      engine_.restore(incident_from_journal(record));
    } catch (...) {
      spdlog::warn("health: an open fault is damaged on disk and forgotten: {}",
                   error_of(std::current_exception()).failure());
    }
  }
  engine_.restore_guards(log_.kept_guards(), now());
  engine_.forget_probes(now());
  sources_["kernel_log"] = config.kernel_log.empty() ? "off" : "not read yet";
  sources_["nvml"] = config.nvml.empty() ? "off" : "not asked yet";
}

Ms Monitor::now() const {
  return started_ms_ + (std::chrono::steady_clock::now() - started_) / milliseconds(1);
}

void Monitor::start() {
  engine_.tell({.at = now(),
                .kind = "started",
                .text = engine_.policy().act
                            ? "the monitor acts on what it finds"
                            : "the monitor only says what it would do (mode: observe)"});
  if (!config_.kernel_log.empty()) follow_kernel_log();
  if (!config_.nvml.empty()) watch_nvml();
  for (const auto& uid : engine_.guards().moving()) {
    followed_.insert(uid);
    tasks_.spawn("follow the move of " + uid, take_up(uid));
  }
  start_probes();
  tasks_.spawn("health", drive());
}

void Monitor::start_probes() {
  ++policy_number_;
  for (const auto& one : engine_.policy().probes) {
    tasks_.spawn("probe " + one.name, probe(one, policy_number_));
  }
}

void Monitor::read_policy_again() {
  if (config_.health_policy.empty()) return;
  try {
    auto policy = policy_of(config_);
    auto names = names_of(config_, policy);
    for (auto& name : names) {
      const auto& given = policy.devices;
      const bool told = std::any_of(given.begin(), given.end(),
                                    [&](const auto& device) { return device.name == name.name; });
      for (const auto& known : engine_.devices()) {
        if (!told && known.name == name.name) name = known;  // what NVML told
      }
    }
    warn_of_strangers(config_, policy);
    const bool acts = policy.act;
    engine_.use(std::move(policy), std::move(names), now());
    engine_.tell({.at = now(),
                  .kind = "policy",
                  .text = fmt::format("{} was read again; mode: {}", config_.health_policy.string(),
                                      acts ? "act" : "observe")});
    start_probes();
  } catch (const Error& error) {
    spdlog::error("health: {}; the policy that was read before still holds", error.what());
    engine_.tell(
        {.at = now(),
         .kind = "policy_refused",
         .text = fmt::format("{}; the one that was read before still holds", error.what())});
  }
  flush();
  wake_.notify();
}

void Monitor::note(const AgentEvent& event) {
  engine_.tell({.at = now(),
                .kind = event.kind,
                .device = event.device,
                .job = event.job,
                .migration = event.migration,
                .text = event.text});
  flush();
}

// ---- operators

void Monitor::clear(const std::string& device, const std::string& reason, const std::string& by) {
  if (device != "all" && device != kHost && !device_called(engine_.devices(), device)) {
    throw Error(Code::not_found, fmt::format("there is no device '{}' here", excerpt(device)),
                "`cardswap devices` lists them; `host` and `all` are known too");
  }
  engine_.clear(device_called(engine_.devices(), device).value_or(device), excerpt(reason), now(),
                excerpt(by));
  flush();
  wake_.notify();
}

void Monitor::close_breaker(const std::string& reason, const std::string& by) {
  engine_.close_breaker(excerpt(reason), now(), excerpt(by));
  flush();
  wake_.notify();
}

// ---- what is done

std::vector<HostJob> Monitor::host_jobs() {
  std::vector<HostJob> list;
  for (const auto& job : jobs_.all()) {
    if (!job.live() || job.standby || job.superseded) continue;
    HostJob known{job.name, job.uid, job.device, job.process.pid, 0, {}};
    if (!job.came_from.empty()) known.arrived = job.started_at_ms;
    if (!job.attached || job.state_bytes == 0) {
      known.why_not = "it has not passed a step boundary under Cardswap's runtime";
    } else if (job.frozen) {
      known.why_not = "it is frozen";
    }
    if (migrations_.running_for(job) != nullptr) {
      known.why_not = "a migration of it runs already";
    }
    list.push_back(std::move(known));
  }
  return list;
}

void Monitor::write() {
  auto events = engine_.take_events();
  std::vector<json::object> records;
  for (const auto& event : events) {
    spdlog::info("health: {}{}{}{}: {}", event.kind, event.device.empty() ? "" : " " + event.device,
                 event.code.empty() ? "" : " " + event.code,
                 event.job.empty() ? "" : " job " + event.job, event.text);
    records.push_back(to_json(event));
  }
  dirty_ = engine_.take_changed() || dirty_;
  try {
    log_.append(records);
  } catch (const Error&) {
    for (auto& event : events) engine_.tell(std::move(event));
    throw;
  }
  if (!records.empty()) changed_.notify();
  if (!dirty_) return;
  std::vector<json::object> open;
  for (const auto& incident : engine_.incidents()) open.push_back(to_json(incident));
  log_.keep(open, engine_.guards().record());
  dirty_ = false;
}

bool Monitor::flush() {
  try {
    write();
    return true;
  } catch (const Error& error) {
    spdlog::error("health: {}", error.what());
    return false;
  }
}

void Monitor::close_all(const std::vector<CordonOrder>& cordons) {
  std::map<std::uint64_t, std::string> failed;  // by incident; empty: all are closed
  for (const auto& cordon : cordons) {
    if (cordon.dry_run || !hooks_.cordon) continue;
    auto& failure = failed[cordon.incident];
    try {
      hooks_.cordon(cordon.device, cordon.reason);
    } catch (const std::exception&) {
      // Its jobs move all the same; the engine refuses it as a target itself.
      failure = fmt::format("{}: {}", cordon.device, error_of(std::current_exception()).what());
    }
  }
  for (const auto& [incident, failure] : failed) {
    if (failure.empty()) {
      engine_.cordoned(incident, now());
    } else {
      spdlog::error("health: cordon {}", failure);
      engine_.cordon_failed(incident, failure, now());
    }
  }
}

asio::awaitable<void> Monitor::drive() {
  while (true) {
    const auto plan = engine_.plan(now(), host_jobs());
    close_all(plan.cordons);
    // Moves first: what is written about them can wait for the disk, they are journalled
    // themselves.
    for (const auto& move : plan.moves) {
      if (!move.dry_run) {
        ++counts_.moves_started;
        followed_.insert(move.job_uid);
      }
      tasks_.spawn("move " + move.job, carry_out(move));
    }
    free_places();
    if (flush()) keep_place(heard_fault_);
    co_await wake_.wait_until(std::chrono::steady_clock::now() + kLookEvery);
  }
}

}  // namespace cardswap::health
