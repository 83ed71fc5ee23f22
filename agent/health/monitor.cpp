#include "agent/health/monitor.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json.hpp>

#include "agent/health/kernel_line.h"
#include "agent/health/kernel_log.h"
#include "agent/health/nvml_source.h"
#include "agent/health/policy_yaml.h"
#include "agent/jobs/device_facts.h"
#include "agent/units.h"

namespace cardswap::health {
namespace {

namespace json = boost::json;
using std::chrono::milliseconds;

constexpr milliseconds kLookEvery{200};
constexpr std::size_t kStrangersMax = 256;

Policy policy_of(const Config& config) {
  return config.health_policy.empty() ? Policy() : policy_from_file(config.health_policy);
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
      started_ms_(unix_ms()) {
  for (const auto& record : log_.kept()) engine_.restore(incident_from_journal(record));
  engine_.restore_guards(log_.kept_guards(), now());
}

Ms Monitor::now() const {
  return started_ms_ + (std::chrono::steady_clock::now() - started_) / milliseconds(1);
}

void Monitor::start() {
  engine_.tell({now(),
                "started",
                {},
                {},
                {},
                {},
                engine_.policy().act ? "the monitor acts on what it finds"
                                     : "the monitor only says what it would do (mode: observe)"});
  if (!config_.kernel_log.empty()) {
    tasks_.spawn(
        "follow the kernel log",
        follow_log(
            context_, config_.kernel_log, [this](std::string_view line) { kernel_line(line); },
            [this](std::string state) { source_state("kernel_log", state); }));
  }
  if (!config_.nvml.empty()) {
    NvmlEvents events;
    events.device = [this](int index, std::string uuid, std::string pci) {
      know_nvml_device(index, uuid, pci);
    };
    events.finding = [this](Finding finding) {
      const auto called = finding.device;
      report(std::move(finding), called);
    };
    events.state = [this](std::string state) { source_state("nvml", state); };
    tasks_.spawn("watch NVML", watch_nvml_process(context_, config_.nvml, std::move(events)));
  }
  for (const auto& uid : engine_.guards().moving()) {
    tasks_.spawn("follow the move of " + uid, take_up(uid));
  }
  for (const auto& one : engine_.policy().probes) tasks_.spawn("probe " + one.name, probe(one));
  tasks_.spawn("health", drive());
}

// ---- what sources say

void Monitor::report(Finding finding, const std::string& called) {
  finding.at = now();
  if (called == kHost) {
    finding.device = kHost;
  } else if (auto device = device_called(engine_.devices(), called)) {
    finding.device = std::move(*device);
  } else {
    // A device of this machine that this agent does not manage: said, never acted on.
    if (strangers_.size() < kStrangersMax && strangers_.insert(called + finding.code).second) {
      engine_.tell({finding.at,
                    "not_ours",
                    shown(called),
                    finding.code,
                    {},
                    {},
                    "this agent has no such device: " + finding.detail});
      wake_.notify();
    }
    return;
  }
  engine_.observe(finding);
  wake_.notify();
}

void Monitor::source_state(const std::string& source, const std::string& state) {
  auto& known = sources_[source];
  if (known == state) return;
  known = state;
  engine_.tell({now(), "source", {}, {}, {}, {}, fmt::format("{}: {}", source, shown(state))});
  wake_.notify();
}

void Monitor::kernel_line(std::string_view line) {
  const auto found = xid_line(line);
  if (!found) return;
  Finding finding;
  finding.source = Source::kernel_log;
  finding.code = fmt::format("xid:{}", found->xid);
  finding.detail = found->detail;
  finding.pid = found->pid;
  report(finding, found->pci);
  if (!found->recovery) return;
  // The latest action replaces whatever was asked for before.
  const auto wanted = recovery_code(*found->recovery);
  finding.lasting = true;
  finding.who = "xid:154";
  for (unsigned action = 1; action <= 6; ++action) {
    finding.code = recovery_code(action);
    finding.firing = finding.code == wanted;
    report(finding, found->pci);
  }
}

void Monitor::know_nvml_device(int index, const std::string& uuid, const std::string& pci) {
  const auto name = fmt::format("cuda:{}", index);
  const auto& given = engine_.policy().devices;
  const bool told = std::any_of(given.begin(), given.end(),
                                [&](const auto& device) { return device.name == name; });
  if (!told) engine_.learn(name, uuid, pci);
}

void Monitor::note(const AgentEvent& event) {
  engine_.tell({now(), event.kind, event.device, {}, event.job, event.migration, event.text});
  flush();
}

std::size_t Monitor::take(const Webhook& webhook) {
  std::size_t ours = 0;
  std::size_t firing = 0;
  for (const auto& alert : webhook.alerts) {
    const auto target = target_of(alert, engine_.devices(), config_.host_name);
    if (!target.ours) continue;
    ++ours;
    firing += alert.firing ? 1 : 0;
    Finding finding;
    finding.device = target.device;
    finding.code = code_of(alert);
    finding.source = Source::alert;
    finding.at = now();
    finding.firing = alert.firing;
    finding.lasting = true;
    finding.severity = alert.severity;
    finding.detail = alert.summary.empty() ? alert.name : alert.summary;
    finding.who = alert.fingerprint;
    finding.labels = alert.labels;
    engine_.observe(finding);
  }
  auto text = fmt::format("{} alerts from {}, {} for this host, {} of them firing",
                          webhook.alerts.size(), webhook.receiver, ours, firing);
  if (webhook.truncated > 0) {
    text += fmt::format("; the sender left out {}: set max_alerts to 0", webhook.truncated);
  }
  auto events = engine_.take_events();
  events.push_back({now(), "webhook", {}, {}, {}, {}, text});
  std::vector<json::object> records;
  for (const auto& event : events) records.push_back(to_json(event));
  log_.append(records);  // throws: the sender gets no 2xx and repeats
  changed_.notify();
  wake_.notify();
  return ours;
}

// ---- operators

void Monitor::clear(const std::string& device, const std::string& reason) {
  if (device != "all" && device != kHost && !device_called(engine_.devices(), device)) {
    throw Error(Code::not_found, fmt::format("there is no device '{}' here", shown(device)),
                "`cardswap devices` lists them; `host` and `all` are known too");
  }
  engine_.clear(device_called(engine_.devices(), device).value_or(device), shown(reason), now());
  flush();
  wake_.notify();
}

void Monitor::close_breaker(const std::string& reason) {
  engine_.close_breaker(shown(reason), now());
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

void Monitor::flush() {
  auto events = engine_.take_events();
  std::vector<json::object> records;
  for (const auto& event : events) {
    spdlog::info("health: {}{}{}{}: {}", event.kind, event.device.empty() ? "" : " " + event.device,
                 event.code.empty() ? "" : " " + event.code,
                 event.job.empty() ? "" : " job " + event.job, event.text);
    records.push_back(to_json(event));
  }
  try {
    log_.append(records);
    unkept_ = engine_.take_changed() || unkept_;
    if (unkept_) {
      std::vector<json::object> open;
      for (const auto& incident : engine_.incidents()) open.push_back(to_json(incident));
      log_.keep(open, engine_.guards().record());
      unkept_ = false;
    }
  } catch (const Error& error) {
    spdlog::error("health: {}", error.what());
    for (auto& event : events) engine_.tell(std::move(event));
  }
  if (!records.empty()) changed_.notify();
}

void Monitor::close(const Cordon& cordon) {
  if (cordon.pretend || !hooks_.cordon) return;
  try {
    hooks_.cordon(cordon.device, cordon.reason);
  } catch (const Error& error) {
    // Its jobs move all the same; the engine refuses it as a target itself.
    spdlog::error("health: cordon {}: {}", cordon.device, error.what());
  }
}

asio::awaitable<void> Monitor::drive() {
  while (true) {
    const auto plan = engine_.plan(now(), host_jobs());
    for (const auto& cordon : plan.cordons) close(cordon);
    // Moves first: what is written about them can wait for the disk, they are journalled
    // themselves.
    for (const auto& move : plan.moves) tasks_.spawn("move " + move.job, carry_out(move));
    flush();
    co_await wake_.wait_until(std::chrono::steady_clock::now() + kLookEvery);
  }
}

}  // namespace cardswap::health
