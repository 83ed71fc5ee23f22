#include "agent/health/alert.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <boost/json.hpp>
#include <charconv>

#include "migrator/error.h"

namespace cardswap::health {
namespace {

namespace json = boost::json;

constexpr std::size_t kAlertsMax = 1000;
constexpr std::size_t kLabelsMax = 64;
constexpr std::size_t kNameMax = 64;
constexpr std::size_t kValueMax = 256;
constexpr unsigned kXidMax = 9999;

std::string text_at(const json::object& from, std::string_view key, std::size_t most = kValueMax) {
  const auto* value = from.if_contains(key);
  return value != nullptr && value->is_string() ? shown(value->get_string(), most) : std::string();
}

Severity severity_from(std::string_view text) {
  if (text == "critical" || text == "page" || text == "error") return Severity::critical;
  if (text == "warning" || text == "info") return Severity::warning;
  return Severity::none;
}

Alert alert_from(const json::value& value) {
  if (!value.is_object()) throw Error(Code::bad_request, "an alert is no object");
  const auto& from = value.get_object();
  Alert alert;
  alert.firing = text_at(from, "status") != "resolved";
  alert.fingerprint = text_at(from, "fingerprint", kNameMax);
  alert.starts_at = text_at(from, "startsAt", kNameMax);
  if (const auto* labels = from.if_contains("labels"); labels != nullptr && labels->is_object()) {
    for (const auto& item : labels->get_object()) {
      if (alert.labels.size() == kLabelsMax) break;
      if (!item.value().is_string()) continue;
      alert.labels.emplace_back(shown(item.key(), kNameMax),
                                shown(item.value().get_string(), kValueMax));
    }
  }
  alert.name = alert.label("alertname").substr(0, kNameMax);
  if (alert.name.empty()) alert.name = "unnamed";
  alert.severity = severity_from(alert.label("severity"));
  if (const auto* notes = from.if_contains("annotations"); notes != nullptr && notes->is_object()) {
    alert.summary = text_at(notes->get_object(), "summary");
    if (alert.summary.empty()) alert.summary = text_at(notes->get_object(), "description");
  }
  return alert;
}

/// "gpu-a" of "gpu-a.cluster:9400".
std::string_view short_name(std::string_view host) {
  return host.substr(0, host.find_first_of(".:"));
}

}  // namespace

std::string Alert::label(std::string_view wanted) const {
  for (const auto& [key, value] : labels) {
    if (key == wanted) return value;
  }
  return {};
}

Webhook webhook_from(const json::object& body) {
  Webhook webhook;
  const auto version = text_at(body, "version");
  if (version != "4") {
    throw Error(Code::bad_request, fmt::format("the webhook's version is '{}', not '4'", version),
                "post what Alertmanager's webhook_configs post");
  }
  const auto* alerts = body.if_contains("alerts");
  if (alerts == nullptr || !alerts->is_array()) {
    throw Error(Code::bad_request, "the webhook has no list 'alerts'");
  }
  if (alerts->get_array().size() > kAlertsMax) {
    throw Error(Code::bad_request, fmt::format("over {} alerts in one webhook", kAlertsMax),
                "set max_alerts in Alertmanager's webhook_configs");
  }
  for (const auto& alert : alerts->get_array()) webhook.alerts.push_back(alert_from(alert));
  if (const auto* cut = body.if_contains("truncatedAlerts"); cut != nullptr && cut->is_number()) {
    const auto count = cut->to_number<double>();
    webhook.truncated = count > 0 && count < 1e15 ? static_cast<std::uint64_t>(count) : 0;
  }
  webhook.receiver = text_at(body, "receiver");
  return webhook;
}

AlertTarget target_of(const Alert& alert, const std::vector<DeviceName>& devices,
                      std::string_view host) {
  // "gpu" and "device" of exporters are indices: they name nothing.
  for (const auto* label : {"cardswap_device", "UUID", "uuid", "gpu_uuid", "GPU_UUID", "pci_bus_id",
                            "PCI_BUS_ID", "pci"}) {
    const auto said = alert.label(label);
    if (said.empty()) continue;
    const bool by_name = std::string_view(label) == "cardswap_device";
    if (by_name && said == kHost) break;
    const auto found = device_called(devices, said);
    // "cuda:0" is on every host: the host's label decides then.
    if (found && !by_name) return {*found, true, said};
    if (!found) return {said, false, said};
    const auto elsewhere = alert.label("Hostname");
    return {*found, elsewhere.empty() || short_name(elsewhere) == short_name(host), said};
  }
  for (const auto* label : {"Hostname", "hostname", "node", "kubernetes_node", "instance"}) {
    const auto said = alert.label(label);
    if (said.empty()) continue;
    const auto bare = short_name(said);
    // An address in "instance" says nothing about names.
    if (std::string_view(label) == "instance" &&
        (bare.empty() || bare.find_first_not_of("0123456789") == std::string_view::npos ||
         bare == "localhost")) {
      continue;
    }
    return {std::string(kHost), bare == short_name(host), said};
  }
  return {std::string(kHost), true, {}};
}

std::string code_of(const Alert& alert) {
  for (const auto* label : {"xid", "XID", "err_code"}) {
    const auto said = alert.label(label);
    unsigned xid = 0;
    const auto [end, error] = std::from_chars(said.data(), said.data() + said.size(), xid);
    if (error == std::errc{} && end == said.data() + said.size() && xid > 0 && xid <= kXidMax) {
      return fmt::format("xid:{}", xid);
    }
  }
  auto name = alert.name;
  for (auto& c : name) {
    if (c == ' ') c = '_';
  }
  return "alert:" + name;
}

}  // namespace cardswap::health
