#include "agent/jobs/cordon.h"

#include <fmt/format.h>

#include <boost/json.hpp>

#include "agent/base/json_fields.h"
#include "agent/base/units.h"

namespace cardswap {
namespace {

namespace json = boost::json;

std::string record_id(const std::string& device) { return device.empty() ? "host" : device; }

}  // namespace

json::object to_json(const Cordon& cordon) {
  return {{"device", text_or_null(cordon.device)},
          {"reason", cordon.reason},
          {"by", cordon.by},
          {"at_ms", cordon.at_ms}};
}

std::string to_string(const Cordon& cordon, const std::string& host) {
  return fmt::format("{}{}{} is cordoned{}", host, cordon.device.empty() ? "" : "/", cordon.device,
                     cordon.reason.empty() ? "" : fmt::format(" ({})", cordon.reason));
}

Cordons::Cordons(Journal& journal) : journal_(journal) {
  journal_.each(Journal::Kind::cordon, [this](const json::object& record) {
    Cordon cordon{text_at(record, "device"), text_at(record, "reason"), text_at(record, "by"),
                  recorded_number<std::int64_t>(record, "at_ms")};
    cordons_[cordon.device] = std::move(cordon);
  });
}

void Cordons::set(Cordon cordon) {
  const auto found = cordons_.find(cordon.device);
  if (found != cordons_.end() && found->second.reason == cordon.reason) return;
  if (cordon.at_ms == 0) cordon.at_ms = unix_ms();
  journal_.put(Journal::Kind::cordon, record_id(cordon.device), to_json(cordon));
  cordons_[cordon.device] = std::move(cordon);
}

bool Cordons::lift(const std::string& device) {
  const auto found = cordons_.find(device);
  if (found == cordons_.end()) return false;
  journal_.remove(Journal::Kind::cordon, record_id(device));
  cordons_.erase(found);
  return true;
}

std::optional<Cordon> Cordons::find(const std::string& device) const {
  for (const auto& name : {std::string(), device}) {
    if (const auto found = cordons_.find(name); found != cordons_.end()) return found->second;
  }
  return std::nullopt;
}

}  // namespace cardswap
