#include "agent/jobs/cordon.h"

#include <fmt/format.h>

#include <boost/json.hpp>

#include "agent/base/units.h"

namespace cardswap {
namespace {

namespace json = boost::json;

std::string record_id(const std::string& device) { return device.empty() ? "host" : device; }

std::string text_of(const json::object& from, std::string_view key) {
  const auto* value = from.if_contains(key);
  return value != nullptr && value->is_string() ? std::string(value->get_string()) : std::string();
}

}  // namespace

json::object to_json(const Cordon& cordon) {
  return {{"device", cordon.device.empty() ? json::value(nullptr) : json::value(cordon.device)},
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
    Cordon cordon{text_of(record, "device"), text_of(record, "reason"), text_of(record, "by"), 0};
    if (const auto* at = record.if_contains("at_ms"); at != nullptr && at->is_number()) {
      cordon.at_ms = at->to_number<std::int64_t>();
    }
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

std::optional<Cordon> Cordons::of(const std::string& device) const {
  for (const auto& name : {std::string(), device}) {
    if (const auto found = cordons_.find(name); found != cordons_.end()) return found->second;
  }
  return std::nullopt;
}

}  // namespace cardswap
