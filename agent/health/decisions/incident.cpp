#include "agent/health/decisions/incident.h"

#include <algorithm>
#include <boost/json.hpp>

#include "agent/base/json_fields.h"

namespace cardswap::health {
namespace {

namespace json = boost::json;

template <class Enum>
Enum named(std::string_view name, Enum last, Enum otherwise) {
  for (int i = 0; i <= static_cast<int>(last); ++i) {
    if (name == to_string(static_cast<Enum>(i))) return static_cast<Enum>(i);
  }
  return otherwise;
}

}  // namespace

std::string_view to_string(Phase phase) {
  switch (phase) {
    case Phase::waiting: return "waiting";
    case Phase::active: return "active";
    case Phase::quiet: return "quiet";
  }
  return "";
}

int nagios_code_of(const Incident& incident) {
  if (incident.verdict.action == PolicyAction::ignore || incident.phase == Phase::quiet) return 0;
  if (incident.verdict.action >= PolicyAction::cordon || incident.severity == Severity::critical) {
    return incident.phase == Phase::waiting ? 1 : 2;
  }
  return 1;
}

json::object to_json(const Incident& incident) {
  json::array sources;
  for (std::size_t i = 0; i < kSources; ++i) {
    if (incident.seen_by[i]) sources.emplace_back(to_string(static_cast<FaultSource>(i)));
  }
  json::object tries;
  for (const auto& [uid, count] : incident.tries) tries[uid] = count;
  return {{"id", incident.id},
          {"device", incident.device},
          {"code", incident.code},
          {"text", incident.text},
          {"detail", incident.detail},
          {"class", to_string(incident.verdict.action_class)},
          {"action", to_string(incident.verdict.action)},
          {"why", incident.verdict.why},
          {"may_copy", incident.verdict.may_copy},
          {"stays", incident.verdict.stays},
          {"severity", to_string(incident.severity)},
          {"phase", to_string(incident.phase)},
          {"sources", sources},
          {"count", incident.count},
          {"first_ms", incident.first},
          {"last_ms", incident.last},
          {"due_ms", incident.active_at},
          {"quiet_since_ms", incident.quiet_since},
          {"resolve_after_ms", incident.verdict.resolve_after},
          {"lasting", incident.lasting},
          {"pid", incident.pid ? json::value(*incident.pid) : json::value(nullptr)},
          {"failed_moves", tries},
          {"cordoned", incident.cordoned},
          // A former version also wrote "cordoned" in observe mode.
          {"cordon_done", incident.cordoned}};
}

Incident incident_from_journal(const json::object& record) {
  Incident incident;
  incident.id = static_cast<std::uint64_t>(std::max<Ms>(0, number_at<Ms>(record, "id")));
  incident.device = text_at(record, "device");
  incident.code = text_at(record, "code");
  incident.text = text_at(record, "text");
  incident.detail = text_at(record, "detail");
  auto& verdict = incident.verdict;
  verdict.action_class = named(text_at(record, "class"), ActionClass::node, ActionClass::report);
  verdict.action = named(text_at(record, "action"), PolicyAction::drain, PolicyAction::alert);
  verdict.why = text_at(record, "why");
  verdict.may_copy = flag_at(record, "may_copy");
  verdict.stays = flag_at(record, "stays");
  verdict.resolve_after = number_at<Ms>(record, "resolve_after_ms");
  incident.severity = named(text_at(record, "severity"), Severity::critical, Severity::none);
  incident.phase = named(text_at(record, "phase"), Phase::quiet, Phase::active);
  incident.count = number_at<unsigned>(record, "count");
  incident.first = number_at<Ms>(record, "first_ms");
  incident.last = number_at<Ms>(record, "last_ms");
  incident.active_at = number_at<Ms>(record, "due_ms");
  incident.quiet_since = number_at<Ms>(record, "quiet_since_ms");
  incident.lasting = flag_at(record, "lasting");
  if (const auto pid = number_at<int>(record, "pid"); pid > 0) incident.pid = pid;
  if (const auto* tries = record.if_contains("failed_moves");
      tries != nullptr && tries->is_object()) {
    for (const auto& item : tries->get_object()) {
      unsigned count = 0;
      if (read_at(tries->get_object(), item.key(), count)) incident.tries[item.key()] = count;
    }
  }
  incident.cordoned = flag_at(record, "cordon_done");
  if (const auto* sources = record.if_contains("sources");
      sources != nullptr && sources->is_array()) {
    for (const auto& name : sources->get_array()) {
      if (!name.is_string()) continue;
      const auto source =
          named(std::string_view(name.get_string()), FaultSource::probe, FaultSource::nvml);
      incident.seen_by.at(static_cast<std::size_t>(source)) = true;
    }
  }
  return incident;
}

json::object to_json(const HealthEvent& event) {
  return {{"at_ms", event.at},
          {"kind", event.kind},
          {"device", text_or_null(event.device)},
          {"code", text_or_null(event.code)},
          {"job", text_or_null(event.job)},
          {"migration", text_or_null(event.migration)},
          {"of_alerts", event.of_alerts},
          {"text", event.text}};
}

}  // namespace cardswap::health
