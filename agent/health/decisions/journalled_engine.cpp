#include "agent/health/decisions/journalled_engine.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <boost/json.hpp>
#include <utility>

#include "agent/base/printable.h"
#include "agent/base/units.h"
#include "migrator/base/error.h"

namespace cardswap::health {
namespace {

namespace json = boost::json;

constexpr std::size_t kUnknownDevicesMax = 256;

void log_event(const HealthEvent& event) {
  spdlog::info("health: {}{}{}{}: {}", event.kind, event.device.empty() ? "" : " " + event.device,
               event.code.empty() ? "" : " " + event.code,
               event.job.empty() ? "" : " job " + event.job, event.text);
}

}  // namespace

JournalledEngine::JournalledEngine(const std::filesystem::path& file, Policy policy,
                                   std::vector<DeviceName> devices)
    : log_(file), engine_(std::move(policy), std::move(devices)), started_ms_(unix_ms()) {
  for (const auto& record : log_.incidents()) {
    try {
      engine_.restore(incident_from_journal(record));
    } catch (...) {
      spdlog::warn("health: an open fault is damaged on disk and forgotten: {}",
                   error_of(std::current_exception()).failure());
    }
  }
  engine_.restore_guards(log_.guards(), now());
  engine_.forget_probes(now());
}

Ms JournalledEngine::now() const {
  return started_ms_ + (std::chrono::steady_clock::now() - started_) / std::chrono::milliseconds(1);
}

void JournalledEngine::report(Finding finding, const std::string& called) {
  if (called == kHost) {
    finding.device = kHost;
  } else if (auto device = device_called(engine_.devices(), called)) {
    finding.device = std::move(*device);
  } else {
    // A device of this machine that this agent does not manage is reported and never acted on.
    if (unknown_devices_.size() < kUnknownDevicesMax &&
        unknown_devices_.insert(called + finding.code).second) {
      emit_event({.kind = "not_ours",
                  .device = excerpt(called),
                  .code = finding.code,
                  .text = "this agent has no such device: " + finding.detail});
    }
    return;
  }
  observe(std::move(finding));
  due_.notify();
}

void JournalledEngine::set_source(const std::string& source, const std::string& state) {
  auto& known = sources_[source];
  if (known == state) return;
  const bool first = std::exchange(known, state).empty();
  if (first) return;  // how it begins is no change
  emit_event({.kind = "source", .text = fmt::format("{}: {}", source, excerpt(state))});
}

void JournalledEngine::emit_event(HealthEvent event) {
  event.at = now();
  engine_.emit_event(std::move(event));
  due_.notify();
}
void JournalledEngine::observe(Finding finding) {
  finding.at = now();
  engine_.observe(finding);
}
void JournalledEngine::note_move_ended(std::uint64_t incident, const std::string& job_uid,
                                       bool moved) {
  engine_.note_move_ended(incident, job_uid, moved, now());
  due_.notify();
}
void JournalledEngine::note_not_placed(const Move& move, const std::string& why) {
  engine_.note_not_placed(move, why, now());
  due_.notify();
}
void JournalledEngine::forget_move(const std::string& job_uid) {
  engine_.forget_move(job_uid);
  due_.notify();
}
void JournalledEngine::note_cordoned(std::uint64_t incident) {
  engine_.note_cordoned(incident, now());
  due_.notify();
}
void JournalledEngine::note_cordon_failed(std::uint64_t incident, const std::string& failure) {
  engine_.note_cordon_failed(incident, failure, now());
  due_.notify();
}
void JournalledEngine::clear(const std::string& device, const std::string& reason,
                             const std::string& by) {
  (void)engine_.clear(device, reason, now(), by);
  due_.notify();
}
void JournalledEngine::close_breaker(const std::string& reason, const std::string& by) {
  engine_.close_breaker(reason, now(), by);
  due_.notify();
}
void JournalledEngine::use(Policy policy, std::vector<DeviceName> devices) {
  engine_.use(std::move(policy), std::move(devices), now());
  due_.notify();
}
void JournalledEngine::learn(const std::string& device, const std::string& uuid,
                             const std::string& pci) {
  engine_.learn(device, uuid, pci);
  due_.notify();
}

void JournalledEngine::write() {
  auto events = engine_.take_events();
  std::vector<json::object> records;
  for (const auto& event : events) records.push_back(to_json(event));
  for (; logged_ < events.size(); ++logged_) log_event(events[logged_]);
  dirty_ = engine_.take_changed() || dirty_;
  try {
    log_.append(records);
  } catch (const Error&) {
    engine_.put_back(std::move(events));
    throw;
  }
  logged_ = 0;
  if (!records.empty()) changed_.notify();
  if (!dirty_) return;
  std::vector<json::object> open;
  for (const auto& incident : engine_.incidents()) open.push_back(to_json(incident));
  log_.replace_incidents(open, engine_.guards().record());
  dirty_ = false;
}

bool JournalledEngine::flush() {
  try {
    write();
    if (std::exchange(failure_logged_, false)) spdlog::info("health: the disk takes events again");
    return true;
  } catch (const Error& error) {
    if (!std::exchange(failure_logged_, true)) spdlog::error("health: {}", error.what());
    return false;
  }
}

}  // namespace cardswap::health
