#include "agent/health/sources/alert.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <boost/json.hpp>

#include "agent/base/json_fields.h"
#include "agent/base/printable.h"
#include "agent/base/text_parts.h"
#include "agent/health/decisions/xid_table.h"
#include "migrator/base/error.h"
#include "migrator/base/utf8.h"

namespace cardswap::health {
namespace {

namespace json = boost::json;

constexpr std::size_t kLabelsMax = 128;
constexpr std::size_t kNameMax = 64;
constexpr std::size_t kValueMax = 256;

/// A text from outside, cut and without control characters.
std::string words_at(const json::object& from, std::string_view key, std::size_t most = kValueMax) {
  return excerpt(text_at(from, key), most);
}

Severity severity_from(std::string_view text) {
  if (text == "critical" || text == "page" || text == "error") return Severity::critical;
  if (text == "warning" || text == "info") return Severity::warning;
  return Severity::none;
}

/// A label's value as text. Labels should be strings, but other values may also say which host is
/// meant.
std::string value_of(const json::value& value) {
  if (value.is_string()) return excerpt(value.get_string(), kValueMax);
  if (value.is_null()) return {};
  return value.is_structured() ? "(no text)" : excerpt(json::serialize(value), kValueMax);
}

}  // namespace

Alert alert_from(const json::object& from) {
  Alert alert;
  alert.firing = words_at(from, "status") != "resolved";
  alert.fingerprint = words_at(from, "fingerprint", kNameMax);
  alert.starts_at = words_at(from, "startsAt", kNameMax);
  if (const auto* labels = from.if_contains("labels"); labels != nullptr && labels->is_object()) {
    for (const auto& item : labels->get_object()) {
      alert.labels_cut = alert.labels.size() == kLabelsMax;
      if (alert.labels_cut) break;
      alert.labels.emplace_back(excerpt(item.key(), kNameMax), value_of(item.value()));
    }
  }
  alert.name = as_utf8(alert.label("alertname").substr(0, kNameMax));
  if (alert.name.empty()) alert.name = "unnamed";
  alert.severity = severity_from(alert.label("severity"));
  if (const auto* notes = from.if_contains("annotations"); notes != nullptr && notes->is_object()) {
    alert.summary = words_at(notes->get_object(), "summary");
    if (alert.summary.empty()) alert.summary = words_at(notes->get_object(), "description");
  }
  return alert;
}

std::string Alert::label(std::string_view wanted) const {
  for (const auto& [key, value] : labels) {
    if (key == wanted) return value;
  }
  return {};
}

Webhook webhook_head(const json::object& body) {
  Webhook webhook;
  const auto* alerts = body.if_contains("alerts");
  if (alerts == nullptr || !alerts->is_array()) {
    throw Error(Code::bad_request, "the webhook has no list 'alerts'",
                "post what Alertmanager's webhook_configs or Grafana's webhook contact point post");
  }
  const auto version = words_at(body, "version", kNameMax);
  if (version != "4" && version != "1") {
    webhook.strange = version.empty()
                          ? "the webhook says no version; it is read as Alertmanager's 4"
                          : fmt::format(
                                "the webhook's version '{}' is not known; it is read as "
                                "Alertmanager's 4",
                                version);
  }
  if (const auto* cut = body.if_contains("truncatedAlerts"); cut != nullptr && cut->is_number()) {
    const auto count = cut->to_number<double>();
    webhook.truncated = count > 0 && count < 1e15 ? static_cast<std::uint64_t>(count) : 0;
  }
  webhook.receiver = words_at(body, "receiver");
  return webhook;
}

Webhook webhook_from(const json::object& body) {
  auto webhook = webhook_head(body);
  for (const auto& alert : body.at("alerts").get_array()) {
    if (alert.is_object()) {
      webhook.alerts.push_back(alert_from(alert.get_object()));
    } else {
      ++webhook.unreadable;
    }
  }
  return webhook;
}

std::string code_of(const Alert& alert) {
  for (const auto* label : {"xid", "XID", "err_code"}) {
    const auto xid = number_in<unsigned>(alert.label(label)).value_or(0);
    if (xid > 0 && xid <= kXidMax) return fmt::format("xid:{}", xid);
  }
  auto name = alert.name;
  for (auto& c : name) {
    if (c == ' ') c = '_';
  }
  return "alert:" + name;
}

}  // namespace cardswap::health
