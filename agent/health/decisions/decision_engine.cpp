#include "agent/health/decisions/decision_engine.h"

#include <fmt/format.h>

#include <algorithm>

namespace cardswap::health {
namespace {

constexpr std::size_t kVoicesMax = 64;
constexpr std::size_t kLoggedMax = 512;

std::string by_operator(const std::string& reason, const std::string& by) {
  return fmt::format("by an operator: {}{}", reason, by.empty() ? "" : fmt::format(" ({})", by));
}

std::string source_key(const Finding& finding) {
  return fmt::format("{} {}", to_string(finding.source), finding.who);
}

}  // namespace

DecisionEngine::DecisionEngine(Policy policy, std::vector<DeviceName> devices)
    : policy_(std::move(policy)), devices_(std::move(devices)) {}

void DecisionEngine::emit_event(HealthEvent event) {
  event.of_alerts = event.of_alerts || hears_alert_;
  events_.add(std::move(event));
}

void DecisionEngine::emit_event(const Incident& incident, const std::string& kind, std::string text,
                                Ms now, const std::string& job) {
  emit_event({.at = now,
              .kind = kind,
              .device = incident.device,
              .code = incident.code,
              .job = job,
              .text = std::move(text)});
}

void DecisionEngine::once(Incident& incident, const std::string& kind, const HostJob& job,
                          std::string text, Ms now) {
  if (incident.logged.size() >= kLoggedMax) incident.logged.clear();
  if (!incident.logged.insert(kind + " " + job.uid + " " + text).second) return;
  emit_event(incident, kind, std::move(text), now, job.name);
}

bool DecisionEngine::take_changed() { return std::exchange(changed_, false); }

// ---- findings

void DecisionEngine::explain(const Finding& finding, const std::string& code) {
  incidents_.erase_if([&](const Incident& incident) {
    const bool explained = incident.device == finding.device && incident.phase == Phase::waiting &&
                           supersedes(code, incident.code);
    if (explained) {
      emit_event(incident, "resolved", fmt::format("{} says what it was", code), finding.at);
      changed_ = true;
    }
    return explained;
  });
}

Incident* DecisionEngine::begin(const Finding& finding, const std::string& code) {
  auto* incident = incidents_.add(finding, code);
  if (incident != nullptr) {
    full_ = false;
  } else if (!std::exchange(full_, true)) {
    emit_event({.at = finding.at,
                .kind = "overflow",
                .device = finding.device,
                .code = code,
                .text = fmt::format("over {} open findings: further ones are dropped",
                                    IncidentList::kMax)});
  }
  return incident;
}

void DecisionEngine::judge(Incident& incident, const Finding& finding,
                           const std::vector<Ms>& times) {
  const auto before = incident.verdict;
  const bool fresh = incident.count == 0;
  auto verdict = policy_.judge(finding, times);
  // A source that knows less about a fault does not lower its class.
  if (fresh || urgency(verdict.action_class) >= urgency(before.action_class)) {
    incident.verdict = std::move(verdict);
  }
  if (fresh) {
    incident.active_at = finding.at + incident.verdict.hold;
    incident.phase = incident.verdict.hold > 0 ? Phase::waiting : Phase::active;
  } else if (incident.verdict.action > before.action) {
    incident.active_at = finding.at + incident.verdict.hold;
    incident.phase = incident.verdict.hold > 0 ? Phase::waiting : Phase::active;
    incident.cordoned = false;  // more may be to close now
    incident.logged.erase("cordon");
    emit_event(incident, "escalated",
               fmt::format("{} now; {}", to_string(incident.verdict.action), incident.verdict.why),
               finding.at);
  }
}

void DecisionEngine::update(Incident& incident, const Finding& finding) {
  incident.raised_by.erase(source_key(finding));
  if (!incident.raised_by.empty() || incident.phase == Phase::quiet) return;
  changed_ = true;
  if (incident.phase == Phase::waiting) {
    emit_event(incident, "resolved", "it was over before it was acted on", finding.at);
    (void)incidents_.erase_if([&](const Incident& other) { return other.id == incident.id; });
    return;
  }
  incident.phase = Phase::quiet;
  incident.quiet_since = finding.at;
  emit_event(incident, "quiet", "its source says that it is over; moves that run go on",
             finding.at);
}

void DecisionEngine::observe(const Finding& finding) {
  hears_alert_ = finding.source == FaultSource::alert;
  note(finding);
  hears_alert_ = false;
}

void DecisionEngine::note(const Finding& finding) {
  const auto code = canonical(finding.code);
  auto* incident = incidents_.find(finding.device, code);
  if (!finding.firing) {
    if (incident != nullptr) update(*incident, finding);
    return;
  }
  const bool repeated =
      incident != nullptr && finding.lasting && incident->raised_by.contains(source_key(finding));
  const bool worse = incident != nullptr && finding.severity > incident->severity;
  if (repeated && !worse && incident->phase != Phase::quiet) {
    incident->last = finding.at;
    return;
  }
  explain(finding, code);
  incident = incidents_.find(finding.device, code);
  const auto times = history_.count(finding, code, policy_.merge_window);
  if (incident == nullptr) incident = begin(finding, code);
  if (incident == nullptr) return;
  changed_ = true;
  const auto source = static_cast<std::size_t>(finding.source);
  const bool fresh = incident->count == 0;
  const bool new_source = !incident->seen_by.at(source);
  const bool again = !fresh && finding.at - incident->last > policy_.merge_window;
  incident->seen_by.at(source) = true;
  incident->last = finding.at;
  incident->lasting = incident->lasting || finding.lasting;
  if (finding.pid) incident->pid = finding.pid;
  if (!finding.detail.empty() && (fresh || incident->detail.empty())) {
    incident->detail = finding.detail;
  }
  incident->severity = std::max(incident->severity, finding.severity);
  if (!finding.labels.empty()) incident->labels = finding.labels;
  if (finding.lasting && incident->raised_by.size() < kVoicesMax) {
    incident->raised_by.insert(source_key(finding));
  }
  judge(*incident, finding, times);
  if (fresh || again) ++incident->count;
  if (incident->phase == Phase::quiet) incident->phase = Phase::active;
  const auto what = incident->text.empty() ? incident->detail : incident->text;
  if (fresh) {
    emit_event(*incident, "finding",
               fmt::format("{} ({}): {}; {}", what.empty() ? "no more is known" : what,
                           to_string(finding.source), to_string(incident->verdict.action),
                           incident->verdict.why),
               finding.at);
  } else if (new_source || again) {
    emit_event(*incident, new_source ? "merged" : "again",
               new_source ? fmt::format("{} saw it too", to_string(finding.source))
                          : fmt::format("{} times now", incident->count),
               finding.at);
  }
}

void DecisionEngine::note_move_ended(std::uint64_t incident_id, const std::string& job_uid,
                                     bool moved, Ms now) {
  guards_.note_ended(job_uid, moved, now);
  changed_ = true;
  if (moved) return;
  if (auto* incident = incidents_.at(incident_id)) {
    ++incident->tries[job_uid];
    incident->not_before[job_uid] = {now + policy_.retry_after, "its last move failed"};
  }
}

void DecisionEngine::note_not_placed(const Move& move, const std::string& why, Ms now) {
  guards_.withdraw(move.job_uid);
  changed_ = true;
  if (auto* incident = incidents_.at(move.incident)) {
    incident->not_before[move.job_uid] = {now + policy_.retry_after, why};
    once(*incident, "waits", {move.job, move.job_uid, move.device, 0, 0, {}}, why, now);
  }
}

// ---- operators

std::size_t DecisionEngine::clear(const std::string& device, const std::string& reason, Ms now,
                                  const std::string& by) {
  const auto dropped = incidents_.erase_if([&](const Incident& incident) {
    if (device != "all" && incident.device != device) return false;
    emit_event(incident, "cleared", by_operator(reason, by), now);
    return true;
  });
  changed_ = changed_ || dropped > 0;
  return dropped;
}

void DecisionEngine::close_breaker(const std::string& reason, Ms now, const std::string& by) {
  if (!guards_.is_breaker_open(now)) return;
  guards_.close_breaker(now);
  changed_ = true;
  breaker_reported_ = false;
  emit_event({.at = now, .kind = "breaker_closed", .text = by_operator(reason, by)});
}

void DecisionEngine::learn(const std::string& device, const std::string& uuid,
                           const std::string& pci) {
  for (auto& known : devices_) {
    if (known.name != device) continue;
    known.uuid = uuid;
    known.pci = pci;
  }
}

void DecisionEngine::restore_guards(const boost::json::object& record, Ms now) {
  guards_.restore(record, now);
  breaker_reported_ = guards_.is_breaker_open(now);
}

void DecisionEngine::forget_move(const std::string& job_uid) {
  guards_.forget(job_uid);
  changed_ = true;
}

}  // namespace cardswap::health
