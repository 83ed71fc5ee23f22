#include "agent/health/monitor.h"

#include <fmt/format.h>

#include <algorithm>

#include "agent/base/printable.h"
#include "agent/base/units.h"
#include "agent/devices/device_facts.h"
#include "agent/health/decisions/policy_yaml.h"
#include "agent/health/ranks_here.h"

namespace cardswap::health {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kLookEvery{200};

Policy policy_of(const Config& config) {
  if (config.health_policy.empty()) return {};
  return policy_from_file(config.health_policy);
}

/// The agent's devices with the UUIDs and PCI addresses that the policy or the machine gives them.
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

/// Warns of devices in the policy that this agent does not have: most likely a mistake.
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

Monitor::Monitor(const HealthContext& context)
    : context_(context),
      journalled_(context.config.data_dir / "journal.db", policy_of(context.config),
                  names_of(context.config, policy_of(context.config))),
      nvml_(scope_),
      kernel_log_(scope_),
      probes_(scope_),
      webhooks_(scope_),
      mover_(context_, journalled_, counters_) {
  warn_of_strangers(context.config, engine().policy());
}

void Monitor::start() {
  journalled_.emit_event({.kind = "started",
                          .text = engine().policy().act
                                      ? "the monitor acts on what it finds"
                                      : "the monitor only says what it would do (mode: observe)"});
  kernel_log_.start();
  nvml_.start();
  mover_.follow_former();
  probes_.start();
  context_.tasks.spawn("health", drive());
}

void Monitor::read_policy_again() {
  if (context_.config.health_policy.empty()) return;
  try {
    auto policy = policy_of(context_.config);
    auto names = names_of(context_.config, policy);
    for (auto& name : names) {
      const auto& given = policy.devices;
      const bool told = std::any_of(given.begin(), given.end(),
                                    [&](const auto& device) { return device.name == name.name; });
      for (const auto& known : engine().devices()) {
        if (!told && known.name == name.name) name = known;  // what NVML told
      }
    }
    warn_of_strangers(context_.config, policy);
    const bool acts = policy.act;
    journalled_.use(std::move(policy), std::move(names));
    journalled_.emit_event(
        {.kind = "policy",
         .text = fmt::format("{} was read again; mode: {}", context_.config.health_policy.string(),
                             acts ? "act" : "observe")});
    probes_.start();
  } catch (const Error& error) {
    spdlog::error("health: {}; the policy that was read before still holds", error.what());
    journalled_.emit_event(
        {.kind = "policy_refused",
         .text = fmt::format("{}; the one that was read before still holds", error.what())});
  }
  journalled_.flush();
}

void Monitor::note(const AgentEvent& event) {
  journalled_.emit_event({.kind = event.kind,
                          .device = event.device,
                          .job = event.job,
                          .migration = event.migration,
                          .text = event.text});
  journalled_.flush();
}

// ---- operators

void Monitor::clear(const std::string& device, const std::string& reason, const std::string& by) {
  if (device != "all" && device != kHost && !device_called(engine().devices(), device)) {
    throw Error(Code::not_found, fmt::format("there is no device '{}' here", excerpt(device)),
                "`cardswap devices` lists them; `host` and `all` are known too");
  }
  journalled_.clear(device_called(engine().devices(), device).value_or(device), excerpt(reason),
                    excerpt(by));
  journalled_.flush();
}

void Monitor::close_breaker(const std::string& reason, const std::string& by) {
  journalled_.close_breaker(excerpt(reason), excerpt(by));
  journalled_.flush();
}

// ---- carrying out the plan

namespace {

/// Whether ranks of the same job on the same device are there already; what keeps one keeps all.
bool is_with_others(std::vector<HostJob>& list, const HostJob& known) {
  const auto found = std::ranges::find(list, known.uid, &HostJob::uid);
  if (found == list.end()) return false;
  if (found->why_not.empty()) found->why_not = known.why_not;
  found->arrived = std::max(found->arrived, known.arrived);
  return true;
}

}  // namespace

std::vector<HostJob> Monitor::host_jobs() {
  std::vector<HostJob> list;
  for (const auto* instance : context_.jobs.instances()) {
    const auto& job = instance->job();
    if (!job.is_current() || job.recovery.is_under_way()) continue;
    HostJob known{
        job.name(), uid_in_engine(*instance), instance->device(), instance->program().pid, 0, {}};
    known.has_snapshot = has_snapshot(job);
    if (!instance->is_live()) {
      const bool has_failed =
          instance->state() == InstanceState::failed || instance->state() == InstanceState::lost;
      if (!has_failed || !known.has_snapshot || context_.jobs.find(job.name()) != &job) continue;
      known.failed_at = instance->record().ended_at_ms;
    }
    if (!instance->record().came_from.empty()) known.arrived = instance->record().started_at_ms;
    if (!instance->attached || instance->record().state_bytes == 0) {
      known.why_not = "it has not passed a step boundary under Cardswap's runtime";
    } else if (instance->frozen) {
      known.why_not = "it is frozen";
    }
    const auto* running = context_.migrations.find_running(*instance);
    if (running != nullptr && !running->yields_to_moves) {
      known.why_not = "a migration of it runs already";
    }
    if (job.world_size > 1) {
      note_ranks(*instance, known);
      if (is_with_others(list, known)) continue;
    }
    list.push_back(std::move(known));
  }
  return list;
}

/// Ranks of a job of many move together where they are on one device: a job to the engine.
void Monitor::note_ranks(const Instance& instance, HostJob& known) const {
  const auto here = ranks_here(context_.jobs, known.name, known.device);
  if (known.why_not.empty() && here.empty() && instance.is_live()) {
    known.why_not = "its ranks are elsewhere, or have not attached";
  }
  if (known.why_not.empty() && context_.rank_moves.are_moving(known.name)) {
    known.why_not = "a migration of it runs already";
  }
}

void Monitor::set_cordon(const CordonOrder& order) {
  auto& cordons = context_.cordons;
  if (!cordons.find(order.device)) cordons.set({order.device, order.reason, "health", unix_ms()});
}

void Monitor::close_all(const std::vector<CordonOrder>& cordons) {
  std::map<std::uint64_t, std::string> failed;  // by incident; empty: all are closed
  for (const auto& cordon : cordons) {
    if (cordon.dry_run) continue;
    auto& failure = failed[cordon.incident];
    try {
      set_cordon(cordon);
    } catch (const std::exception&) {
      // Its jobs move nevertheless, and the engine does not use it as a target.
      failure = fmt::format("{}: {}", cordon.device, error_of(std::current_exception()).what());
    }
  }
  for (const auto& [incident, failure] : failed) {
    if (failure.empty()) {
      journalled_.note_cordoned(incident);
    } else {
      spdlog::error("health: cordon {}", failure);
      journalled_.note_cordon_failed(incident, failure);
    }
  }
}

asio::awaitable<void> Monitor::drive() {
  while (true) {
    const auto plan = journalled_.plan(host_jobs());
    close_all(plan.cordons);
    // Moves first: their events can wait for the disk, because migrations have their own records.
    for (const auto& move : plan.moves) mover_.start(move);
    mover_.release_orphaned_slots();
    mover_.forget_avoided();
    if (journalled_.flush()) kernel_log_.save_cursor();
    co_await journalled_.due().wait_until(std::chrono::steady_clock::now() + kLookEvery);
  }
}

}  // namespace cardswap::health
