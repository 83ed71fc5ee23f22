#include "agent/health/decisions/incident_list.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "agent/health/decisions/xid_table.h"

namespace cardswap::health {

Incident* IncidentList::add(const Finding& finding, const std::string& code) {
  if (all_.size() >= kMax) {
    const auto idle = std::ranges::find_if(all_, [](const Incident& incident) {
      return incident.verdict.action <= PolicyAction::alert;
    });
    if (idle == all_.end()) return nullptr;
    all_.erase(idle);
  }
  auto& incident = all_.emplace_back();
  incident.id = next_id_++;
  incident.device = finding.device;
  incident.code = code;
  incident.text = meaning_of(code, finding.detail).text;
  incident.first = finding.at;
  incident.lasting = finding.lasting;
  return &incident;
}

void IncidentList::restore(Incident incident) {
  if (incident.id == 0) incident.id = next_id_;
  next_id_ = std::max(next_id_, incident.id + 1);
  all_.push_back(std::move(incident));
}

Incident* IncidentList::find(const std::string& device, const std::string& code) {
  for (auto& incident : all_) {
    if (incident.device == device && incident.code == code) return &incident;
  }
  return nullptr;
}

Incident* IncidentList::at(std::uint64_t id) {
  const auto found = std::ranges::find(all_, id, &Incident::id);
  return found == all_.end() ? nullptr : &*found;
}

bool IncidentList::is_trusted(std::string_view device) const {
  return std::ranges::none_of(all_, [&](const Incident& incident) {
    return incident.device == device && !incident.verdict.may_copy &&
           incident.verdict.action != PolicyAction::ignore;
  });
}

bool IncidentList::is_sick(std::string_view device) const {
  return std::ranges::any_of(all_, [&](const Incident& incident) {
    const bool here = incident.device == device || incident.device == kHost;
    return here && incident.verdict.action >= PolicyAction::cordon;
  });
}

bool IncidentList::is_usable(std::string_view device) const {
  return std::ranges::none_of(all_, [&](const Incident& incident) {
    const bool here = incident.device == device || wants_drain(incident);
    return here && incident.verdict.action >= PolicyAction::cordon;
  });
}

std::string IncidentList::open_fault(const std::string& device) const {
  for (const auto& incident : all_) {
    const bool here = device.empty() || incident.device == device || wants_drain(incident);
    if (here && incident.verdict.action >= PolicyAction::cordon && incident.phase != Phase::quiet) {
      return fmt::format("{} {}", incident.device, incident.code);
    }
  }
  return {};
}

}  // namespace cardswap::health
