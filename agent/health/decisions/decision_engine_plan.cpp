#include <fmt/format.h>

#include <algorithm>

#include "agent/base/units.h"
#include "agent/health/decisions/decision_engine.h"

namespace cardswap::health {
namespace {

bool moves_jobs(const Incident& incident) {
  return incident.phase == Phase::active && incident.verdict.action >= PolicyAction::recover;
}

constexpr Ms kFailedBefore = 60'000;  // a job that a fault has ended may end before that is seen
constexpr auto kProtectIt =
    "; had it been protected (`cardswap protect`), it would go on from its newest snapshot";

/// A device that is broken, or may fail at any moment, does not wait for a cool-down.
bool cannot_wait(const Incident& incident) {
  return incident.verdict.stays || urgency(incident.verdict.action_class) > 2;
}

}  // namespace

void DecisionEngine::advance(Ms now) {
  incidents_.erase_if([&](Incident& incident) {
    if (incident.phase == Phase::waiting && now >= incident.active_at) {
      incident.phase = Phase::active;
      changed_ = true;
      if (incident.verdict.hold > 0) {
        emit_event(incident, "active",
                   fmt::format("it has lasted {}: {}",
                               format_ms(static_cast<double>(incident.verdict.hold)),
                               to_string(incident.verdict.action)),
                   now);
      }
    }
    const auto quiet_for = incident.phase == Phase::quiet               ? now - incident.quiet_since
                           : incident.lasting || incident.verdict.stays ? 0
                                                                        : now - incident.last;
    if (incident.phase == Phase::waiting || quiet_for < incident.verdict.resolve_after ||
        quiet_for == 0) {
      return false;
    }
    emit_event(incident, "resolved",
               fmt::format("quiet for {}", format_ms(static_cast<double>(quiet_for))), now);
    if (incident.verdict.action >= PolicyAction::recover)
      guards_.note_device_resolved(incident.device, now);
    changed_ = true;
    return true;
  });
}

void DecisionEngine::check_breaker(Ms now) {
  if (breaker_reported_ && !guards_.is_breaker_open(now)) {
    breaker_reported_ = false;
    emit_event({.at = now, .kind = "breaker_closed", .text = "moves may start again"});
  }
  std::map<std::string, Ms> sick;
  for (const auto& incident : incidents_) {
    if (moves_jobs(incident) && incident.device != kHost) {
      auto& since = sick[incident.device];
      since = since == 0 ? incident.first : std::min(since, incident.first);
    }
  }
  const auto why = guards_.judge_breaker(sick, devices_.size(), now);
  if (why.empty()) return;
  breaker_reported_ = true;
  changed_ = true;
  emit_event({.at = now,
              .kind = "breaker_open",
              .text = why + ": no move starts until an operator or time closes it"});
}

void DecisionEngine::cordon(Incident& incident, Plan& plan, Ms now) {
  if (incident.phase != Phase::active || incident.cordoned ||
      incident.verdict.action < PolicyAction::cordon || guards_.is_breaker_open(now) ||
      now < incident.cordon_after) {
    return;
  }
  const bool first = incident.logged.insert("cordon").second;
  if (!policy_.act && !first) return;
  for (const auto& device : devices_) {
    if (device.name != incident.device && !wants_drain(incident)) continue;
    plan.cordons.push_back({incident.id, device.name,
                            fmt::format("health: {} on {}", incident.code, incident.device),
                            !policy_.act});
    if (policy_.act) continue;
    emit_event({.at = now,
                .kind = "would_cordon",
                .device = device.name,
                .code = incident.code,
                .text = incident.verdict.why});
  }
  if (first && !incident.verdict.may_copy) {
    emit_event(
        incident, "not_trusted",
        incident.verdict.action_class == ActionClass::node
            ? "the device is gone: nothing can be copied from it; its protected jobs go on from "
              "their newest snapshots, start the others anew on another device"
            : "what is in its memory must not be copied; its protected jobs go on from their "
              "newest snapshots, start the others anew on another device",
        now);
  }
}

void DecisionEngine::note_cordoned(std::uint64_t incident_id, Ms now) {
  auto* incident = incidents_.at(incident_id);
  if (incident == nullptr) return;
  incident->cordoned = true;
  changed_ = true;
  for (const auto& device : devices_) {
    if (device.name != incident->device && !wants_drain(*incident)) continue;
    emit_event({.at = now,
                .kind = "cordon",
                .device = device.name,
                .code = incident->code,
                .text = incident->verdict.why});
  }
}

void DecisionEngine::note_cordon_failed(std::uint64_t incident_id, const std::string& failure,
                                        Ms now) {
  auto* incident = incidents_.at(incident_id);
  if (incident == nullptr) return;
  incident->cordon_after = now + policy_.retry_after;
  once(*incident, "cordon_failed", {}, failure, now);
}

bool DecisionEngine::concerns(const Incident& incident, const HostJob& job) const {
  return wants_drain(incident) || job.device == incident.device;
}

std::string DecisionEngine::why_forbidden(const HostJob& job,
                                          const std::vector<HostJob>& jobs) const {
  if (policy_.must_stay(job.name)) return "the policy says that it stays";
  for (const auto& other : incidents_) {
    if (other.device != job.device || other.verdict.may_copy ||
        other.verdict.action == PolicyAction::ignore) {
      continue;
    }
    const bool victim_known =
        other.verdict.action_class == ActionClass::contained && other.pid &&
        std::any_of(jobs.begin(), jobs.end(), [&](const auto& j) { return j.pid == *other.pid; });
    if (victim_known && job.pid != *other.pid) continue;
    return fmt::format(
        "{} on {}: its memory {}; start it anew on another device, from what it saved itself",
        other.code, other.device,
        other.verdict.action_class == ActionClass::node ? "cannot be read" : "must not be copied");
  }
  return {};
}

bool DecisionEngine::needs_snapshot(const Incident& incident, const HostJob& job) {
  if (job.device != incident.device) return false;
  const auto& verdict = incident.verdict;
  const bool is_beyond_copying =
      !verdict.may_copy && verdict.action_class != ActionClass::contained;
  return verdict.action == PolicyAction::recover || is_beyond_copying;
}

std::string DecisionEngine::why_no_recovery(const HostJob& job,
                                            const std::vector<HostJob>& jobs) const {
  if (policy_.must_stay(job.name)) return why_forbidden(job, jobs);
  if (job.has_snapshot) return {};
  const auto why = why_forbidden(job, jobs);
  return (why.empty() ? std::string("there is no snapshot of it") : why) + kProtectIt;
}

std::string DecisionEngine::why_waiting(const Incident& incident, const HostJob& job,
                                        Ms now) const {
  // What keeps it from moving keeps nobody from ending it.
  if (!job.why_not.empty() && !needs_snapshot(incident, job)) return job.why_not;
  const auto tries = incident.tries.find(job.uid);
  if (tries != incident.tries.end() && tries->second >= policy_.tries) {
    return counted(tries->second, "move") + " of it failed: an operator must look";
  }
  const auto retry = incident.not_before.find(job.uid);
  if (retry != incident.not_before.end() && now < retry->second.at) return retry->second.why;
  if (cannot_wait(incident)) return {};
  if (now < guards_.job_free_at(job.uid, job.arrived)) return "it moved a short while ago";
  if (now < guards_.device_free_at(incident.device)) {
    return "the device had another fault a short while ago";
  }
  return {};
}

void DecisionEngine::move_jobs(Incident& incident, const std::vector<HostJob>& jobs, Plan& plan,
                               Ms now) {
  for (const auto& job : jobs) {
    if (!concerns(incident, job) || guards_.is_moving(job.uid)) continue;
    const bool from_snapshot = needs_snapshot(incident, job);
    const bool is_its_victim = from_snapshot && job.failed_at + kFailedBefore >= incident.first;
    if (job.failed_at != 0 && !is_its_victim) continue;
    auto why_never = from_snapshot ? why_no_recovery(job, jobs) : why_forbidden(job, jobs);
    if (!why_never.empty()) {
      once(incident, "not_moved", job, std::move(why_never), now);
      continue;
    }
    if (auto why = why_waiting(incident, job, now); !why.empty()) {
      once(incident, "waits", job, std::move(why), now);
      continue;
    }
    Move move{incident.id,
              job.name,
              job.uid,
              job.device,
              incident.code,
              fmt::format("{} on {}", incident.code, incident.device),
              incident.verdict.action_class == ActionClass::live_deadline,
              wants_drain(incident),
              !policy_.act,
              from_snapshot};
    if (move.dry_run) {
      if (incident.logged.insert("dry run " + job.uid).second)
        plan.moves.push_back(std::move(move));
      continue;
    }
    if (auto why = guards_.refusal(now); !why.empty()) {
      once(incident, "waits", job, std::move(why), now);
      continue;
    }
    guards_.note_started(job.uid, now);
    changed_ = true;
    plan.moves.push_back(std::move(move));
  }
}

Plan DecisionEngine::plan(Ms now, const std::vector<HostJob>& jobs) {
  events_.add_suppressed(now);
  advance(now);
  check_breaker(now);
  Plan plan;
  std::vector<Incident*> order;
  for (auto& incident : incidents_) {
    cordon(incident, plan, now);
    if (moves_jobs(incident)) order.push_back(&incident);
  }
  std::stable_sort(order.begin(), order.end(), [](const auto* a, const auto* b) {
    return urgency(a->verdict.action_class) > urgency(b->verdict.action_class);
  });
  for (auto* incident : order) move_jobs(*incident, jobs, plan, now);
  return plan;
}

}  // namespace cardswap::health
