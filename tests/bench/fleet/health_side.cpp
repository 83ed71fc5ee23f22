// What the agents' health monitors do in the simulation: findings come, engines plan, jobs go.
#include <fmt/format.h>

#include <algorithm>

#include "tests/bench/fleet/simulation.h"

namespace cardswap::bench {
namespace {

constexpr std::size_t kPeerHosts = 16;  ///< agents that a host's monitor may move jobs to
constexpr Ms kLookEvery = 5'000;
constexpr Ms kStormLasts = 10'000;
constexpr Ms kAlertLasts = 300'000;
constexpr Ms kRepairTakes = 1'800'000;
constexpr Ms kHour = 3'600'000;
constexpr std::size_t kVoices = 4;  ///< fingerprints of one alert

enum class Memory : std::uint8_t { good, bad, of_one_job_bad };

struct Fault {
  const char* code;
  Memory memory;
};
constexpr Fault kFaults[] = {{"xid:13", Memory::good},
                             {"xid:31", Memory::good},
                             {"xid:63", Memory::good},
                             {"xid:64", Memory::good},
                             {"xid:74", Memory::good},
                             {"xid:119", Memory::good},
                             {"recovery:drain_and_reset", Memory::good},
                             {"alert:GpuHot", Memory::good},
                             {"xid:48", Memory::bad},
                             {"xid:79", Memory::bad},
                             {"xid:95", Memory::bad},
                             {"xid:94", Memory::of_one_job_bad}};

}  // namespace

health::Policy Simulation::policy() const {
  health::Policy policy;
  policy.act = true;
  if (options_.without == "budget") policy.moves_at_once = policy.moves_per_hour = 1000;
  for (const char* code : {"alert:*", "xid:95"}) {  // the second: no rule makes that be copied
    health::PolicyRule rule;
    rule.code = code;
    rule.action = health::PolicyAction::migrate;
    policy.rules.push_back(std::move(rule));
  }
  return policy;
}

void Simulation::engine_for(std::size_t host) {
  std::vector<health::DeviceName> names;
  for (std::size_t i = 0; i < options_.shape.devices; ++i) {
    names.push_back({fleet_.device(fleet_.first_device(host) + i).name, {}, {}});
  }
  fleet_.hosts[host].engine = std::make_unique<health::DecisionEngine>(policy(), std::move(names));
}

/// The monitor's wake-up: soon, many findings at once.
void Simulation::look(std::size_t index) {
  auto& host = fleet_.hosts[index];
  if (host.plans_at == now_ + 1) return;
  host.plans_at = now_ + 1;
  at(host.plans_at, What::plan, index);
}

void Simulation::observe(std::size_t host, health::Finding finding) {
  finding.at = now_;
  ++counts_.findings;
  fleet_.hosts[host].engine->observe(finding);
  look(host);
}

void Simulation::some_finding() {
  const auto index = below(options_.shape.hosts * options_.shape.devices);
  const auto& fault = kFaults[below(std::size(kFaults))];
  const auto host = fleet_.host_of(index);
  health::Finding finding;
  finding.device = fleet_.device(index).name;
  finding.code = fault.code;
  finding.source = health::FaultSource::kernel_log;
  if (fault.memory == Memory::bad) {
    fleet_.hosts[host].untrusted.insert(index);
  } else if (fault.memory == Memory::of_one_job_bad) {
    if (fleet_.jobs_on(index).empty() || fleet_.hosts[host].untrusted.contains(index)) return;
    const auto victim = fleet_.jobs_on(index).front();
    finding.pid = static_cast<int>(victim + 1);
    victims_.insert(fleet_.jobs[victim].uid);
    at(now_ + 1'000, What::victim_ends, victim);  // its context is gone
  }
  observe(host, std::move(finding));
}

void Simulation::storm() {
  const auto size = std::min(options_.storm_hosts, fleet_.hosts.size());
  const auto first = below(fleet_.hosts.size() - size + 1);
  for (std::size_t host = first; host < first + size; ++host) {
    // On all of its devices the breaker opens; on some of them the budget has to hold.
    const auto devices = 1 + below(options_.shape.devices);
    for (std::size_t i = 0; i < options_.storm_alerts; ++i) {
      const auto which = below(devices * kVoices);
      at(now_ + static_cast<Ms>(below(kStormLasts)), What::alert, host, which);
    }
    for (std::size_t which = 0; which < devices * kVoices; ++which) {
      at(now_ + kStormLasts + about(kAlertLasts), What::alert_over, host, which);
    }
  }
}

void Simulation::alert(std::size_t host, std::size_t which, bool firing) {
  health::Finding finding;
  finding.device = fleet_.device(fleet_.first_device(host) + which / kVoices).name;
  finding.code = "alert:GpuStorm";
  finding.source = health::FaultSource::alert;
  finding.severity = health::Severity::critical;
  finding.firing = firing;
  finding.lasting = true;
  finding.who = std::to_string(which % kVoices);
  observe(host, std::move(finding));
}

void Simulation::plan(std::size_t index) {
  auto& host = fleet_.hosts[index];
  host.plans_at = 0;
  const auto plan = host.engine->plan(now_, fleet_.host_jobs(index));
  (void)host.engine->take_events();
  for (const auto& cordon : plan.cordons) {
    host.engine->note_cordoned(cordon.incident, now_);
    const auto number = static_cast<std::size_t>(std::stoul(cordon.device.substr(5)));
    if (host.broken_at.empty()) at(now_ + kRepairTakes, What::repaired, index);
    host.broken_at.emplace(number, now_);
    fleet_.cordon(fleet_.first_device(index) + number, true);
  }
  for (const auto& move : plan.moves) {
    check_move(index, move);
    wishes_.push_back(move);
    at(now_ + 3, What::choose, index, wishes_.size() - 1);
  }
  if (!host.engine->incidents().empty() && now_ < until_ + kRepairTakes) {
    host.plans_at = now_ + kLookEvery;
    at(host.plans_at, What::plan, index);
  }
}

/// The rules that no storm may break, from books that the engine does not see.
void Simulation::check_move(std::size_t index, const health::Move& move) {
  auto& host = fleet_.hosts[index];
  ++counts_.health_moves;
  const health::Policy rules;  // what an operator is promised
  while (!host.started.empty() && host.started.front() <= now_ - kHour) host.started.pop_front();
  host.started.push_back(now_);
  if (!host.moving.insert(move.job_uid).second) {
    fleet_.violation(fmt::format("{}: {} moves twice at once", host.address, move.job));
  }
  counts_.health_moves_at_once = std::max(counts_.health_moves_at_once, host.moving.size());
  if (host.moving.size() > rules.moves_at_once) {
    fleet_.violation(fmt::format("{}: {} moves at once", host.address, host.moving.size()));
  }
  if (host.started.size() > rules.moves_per_hour) {
    fleet_.violation(fmt::format("{}: {} moves in an hour", host.address, host.started.size()));
  }
  if (host.engine->guards().is_breaker_open(now_)) {
    fleet_.violation(host.address + ": a move starts under an open breaker");
  }
  const auto number = static_cast<std::size_t>(std::stoul(move.device.substr(5)));
  if (host.untrusted.contains(fleet_.first_device(index) + number) ||
      victims_.contains(move.job_uid)) {
    fleet_.violation(fmt::format("{}: {} is to be copied from memory that is not trusted",
                                 host.address, move.job));
  }
}

/// As Mover::choose(): this host's other devices and those of its peers.
void Simulation::choose(std::size_t index, std::size_t which) {
  const auto move = wishes_[which];
  const auto job = static_cast<std::size_t>(std::stoul(move.job_uid.substr(1)));
  auto& host = fleet_.hosts[index];
  if (!fleet_.jobs[job].live) return health_ended(index, move, false);
  const auto peers = std::min(kPeerHosts, fleet_.hosts.size());
  const auto first = std::min(index / peers * peers, fleet_.hosts.size() - peers);
  auto devices = fleet_.seen(first, peers);
  if (move.leave_host) {
    std::erase_if(devices, [&](const auto& device) { return device.host == host.address; });
  }
  for (std::size_t i = 0; i < devices.size(); ++i) {
    if (devices[i].host == host.address && !host.engine->incidents().is_usable(devices[i].name)) {
      devices[i].unhealthy = true;
    }
  }
  auto wanted = fleet_.wanted(fleet_.jobs[job]);
  if (const auto tried = host.avoid.find(move.job_uid); tried != host.avoid.end()) {
    wanted.avoid = tried->second;
  }
  const auto placed = place(std::span(&wanted, 1), devices);
  if (placed.assigned.empty()) {
    if (placed.unplaced.empty() || placed.unplaced.front().reasons.empty()) {
      fleet_.violation(move.job + ": not placed, and nobody knows why");
    }
    host.avoid.erase(move.job_uid);
    return health_ended(index, move, false);
  }
  const auto& chosen = devices[placed.assigned.front().device];
  if (chosen.cordoned || chosen.unhealthy) {
    fleet_.violation(fmt::format("{} is sent to {}, which is closed", move.job, chosen.address()));
  }
  Moving moving;
  moving.job = job;
  moving.to = fleet_.index_of(chosen);
  moving.health = move;
  if (!begin(std::move(moving))) health_ended(index, move, false);
}

void Simulation::health_ended(std::size_t index, const health::Move& move, bool moved) {
  auto& host = fleet_.hosts[index];
  host.moving.erase(move.job_uid);
  host.engine->note_move_ended(move.incident, move.job_uid, moved, now_);
  look(index);
}

void Simulation::repaired(std::size_t index) {
  auto& host = fleet_.hosts[index];
  host.broken_at.clear();
  host.untrusted.clear();
  host.engine->clear("all", "repaired", now_);
  for (std::size_t i = 0; i < options_.shape.devices; ++i) {
    fleet_.cordon(fleet_.first_device(index) + i, false);
  }
}

/// The agent's process ends and begins again: what it knows is what its journal has.
void Simulation::restart(std::size_t index) {
  auto& host = fleet_.hosts[index];
  ++counts_.restarts;
  const auto before = std::move(host.engine);
  engine_for(index);
  for (const auto& incident : before->incidents()) {
    host.engine->restore(health::incident_from_journal(to_json(incident)));
  }
  if (options_.without != "memory") {
    host.engine->restore_guards(before->guards().record(), now_);
  }
  if (!host.engine->incidents().empty()) look(index);
}

}  // namespace cardswap::bench
