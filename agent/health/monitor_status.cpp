#include <fmt/format.h>

#include <algorithm>
#include <boost/json.hpp>

#include "agent/base/units.h"
#include "agent/handover/state_of_migrations.h"
#include "agent/health/monitor.h"

namespace cardswap::health {
namespace {

namespace json = boost::json;

constexpr std::array kWords{"OK", "WARNING", "CRITICAL", "UNKNOWN"};
constexpr int kWarning = 1;
constexpr int kCritical = 2;
constexpr int kUnknown = 3;

json::object breaker_json(const Guards& guards, Ms now) {
  const bool open = guards.is_breaker_open(now);
  const auto or_null = [&](json::value value) { return open ? std::move(value) : nullptr; };
  return {{"open", open},
          {"why", or_null(json::value(guards.why_open()))},
          {"since_ms", or_null(guards.opened_at())},
          {"until_ms", or_null(guards.open_until())}};
}

json::array devices_json(const DecisionEngine& engine) {
  json::array devices;
  for (const auto& device : engine.devices()) {
    devices.push_back(json::object{{"device", device.name},
                                   {"uuid", device.uuid},
                                   {"pci", device.pci},
                                   {"usable", engine.incidents().is_usable(device.name)},
                                   {"trusted", engine.incidents().is_trusted(device.name)}});
  }
  return devices;
}

json::object moves_json(const DecisionEngine& engine, Ms now) {
  return {{"running", engine.guards().running()},
          {"at_once", engine.policy().moves_at_once},
          {"last_hour", engine.guards().last_hour(now)},
          {"per_hour", engine.policy().moves_per_hour}};
}

json::object counts_json(const HealthCounters& counters) {
  return {
      {"alerts",
       {{"taken", counters.of(AlertScope::ours)},
        {"not_ours", counters.of(AlertScope::not_ours)},
        {"unclear", counters.of(AlertScope::unclear)},
        {"unreadable", counters.alerts_unreadable}}},
      {"webhooks", {{"taken", counters.webhooks_taken}, {"refused", counters.webhooks_refused}}},
      {"kernel_lines",
       {{"fault", counters.of(LineFate::fault)},
        {"unplaced", counters.of(LineFate::unplaced)},
        {"not_kernel", counters.of(LineFate::not_kernel)},
        {"other_host", counters.of(LineFate::other_host)},
        {"too_old", counters.of(LineFate::too_old)}}}};
}

}  // namespace

SourceCoverage Monitor::coverage() const {
  std::vector<WatchedDevice> watched;
  for (const auto& device : engine().devices()) {
    const auto& given = engine().policy().devices;
    watched.push_back({device, device.name.starts_with("cuda:"),
                       std::any_of(given.begin(), given.end(),
                                   [&](const auto& one) { return one.name == device.name; })});
  }
  return coverage_of(watched, sources(), nvml_.watched());
}

json::object Monitor::status() const {
  int worst = engine().guards().is_breaker_open(now()) ? kWarning : 0;
  std::string summary;
  json::array incidents;
  for (const auto& incident : engine().incidents()) {
    const auto severity = nagios_code_of(incident);
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
  if (const auto concern = concern_of(context_.jobs, context_.migrations, context_.rank_moves);
      !concern.empty()) {
    worst = std::max(worst, 1);
    if (summary.empty()) summary = concern;
  }
  const auto open =
      std::count_if(engine().incidents().begin(), engine().incidents().end(),
                    [](const auto& incident) { return nagios_code_of(incident) > 0; });
  if (open > 1) summary += fmt::format(" and {} more", open - 1);
  const auto add = [&](const std::string& more) {
    if (!more.empty()) summary += (summary.empty() ? "" : "; ") + more;
  };
  if (engine().guards().is_breaker_open(now())) add("the circuit breaker is open");
  const auto seen = coverage();
  add(seen.blind);
  if (seen.blind.empty()) add(seen.half);
  if (!seen.half.empty()) worst = std::max(worst, kWarning);
  // A known fault is worse than one that may go unseen.
  if (!seen.blind.empty() && worst < kCritical) worst = kUnknown;
  if (summary.empty()) summary = counted(engine().devices().size(), "device") + " well";
  json::object sources;
  for (const auto& [name, state] : this->sources()) sources[name] = state;
  return {{"host", context_.config.host_name},
          {"status", kWords.at(static_cast<std::size_t>(worst))},
          {"code", worst},
          {"summary", summary},
          {"mode", engine().policy().act ? "act" : "observe"},
          {"table", kTableVersion},
          {"devices", devices_json(engine())},
          {"incidents", incidents},
          {"moves", moves_json(engine(), now())},
          {"breaker", breaker_json(engine().guards(), now())},
          {"sources", sources},
          {"counts", counts_json(counters_)}};
}

}  // namespace cardswap::health
