#include <fmt/format.h>

#include <algorithm>
#include <boost/json.hpp>

#include "agent/handover/standing.h"
#include "agent/health/monitor.h"

namespace cardswap::health {
namespace {

namespace json = boost::json;

/// 0, 1 or 2, as Nagios has them.
int severity_of(const Incident& incident) {
  if (incident.verdict.action == Action::ignore || incident.phase == Phase::quiet) return 0;
  if (incident.verdict.action >= Action::cordon || incident.severity == Severity::critical) {
    return incident.phase == Phase::waiting ? 1 : 2;
  }
  return 1;
}

constexpr std::array kWords{"OK", "WARNING", "CRITICAL"};

}  // namespace

json::object Monitor::status() const {
  int worst = engine_.guards().open(now()) ? 1 : 0;
  std::string summary;
  json::array incidents;
  for (const auto& incident : engine_.incidents()) {
    const auto severity = severity_of(incident);
    auto shown = to_json(incident);
    shown["state"] = kWords.at(static_cast<std::size_t>(severity));
    incidents.push_back(std::move(shown));
    if (severity == 0) continue;
    if (severity > worst || summary.empty()) {
      summary = fmt::format("{} {}: {}", incident.device, incident.code,
                            incident.text.empty() ? incident.detail : incident.text);
    }
    worst = std::max(worst, severity);
  }
  if (const auto concern = concern_of(jobs_, migrations_); !concern.empty()) {
    worst = std::max(worst, 1);
    if (summary.empty()) summary = concern;
  }
  const auto open = std::count_if(engine_.incidents().begin(), engine_.incidents().end(),
                                  [](const auto& incident) { return severity_of(incident) > 0; });
  if (open > 1) summary += fmt::format(" and {} more", open - 1);
  if (summary.empty() && engine_.guards().open(now())) summary = "the circuit breaker is open";
  json::array devices;
  for (const auto& device : engine_.devices()) {
    devices.push_back(json::object{{"device", device.name},
                                   {"uuid", device.uuid},
                                   {"pci", device.pci},
                                   {"usable", engine_.usable(device.name)},
                                   {"trusted", engine_.trusted(device.name)}});
  }
  if (summary.empty()) summary = fmt::format("{} devices well", engine_.devices().size());
  json::object sources;
  for (const auto& [name, state] : sources_) sources[name] = state;
  const auto& policy = engine_.policy();
  return {{"host", config_.host_name},
          {"status", kWords.at(static_cast<std::size_t>(worst))},
          {"code", worst},
          {"summary", summary},
          {"mode", policy.act ? "act" : "observe"},
          {"table", kTableVersion},
          {"devices", devices},
          {"incidents", incidents},
          {"moves",
           {{"running", engine_.guards().running()},
            {"at_once", policy.moves_at_once},
            {"last_hour", engine_.guards().last_hour(now())},
            {"per_hour", policy.moves_per_hour}}},
          {"breaker",
           {{"open", engine_.guards().open(now())},
            {"why", engine_.guards().open(now()) ? json::value(engine_.guards().why_open())
                                                 : json::value(nullptr)}}},
          {"sources", sources}};
}

}  // namespace cardswap::health
