#pragma once

#include <boost/json/object.hpp>
#include <string>
#include <utility>
#include <vector>

#include "agent/health/decisions/finding.h"

namespace cardswap::health {

/// One alert of a webhook, made safe: names and values are cut and have no control characters.
struct Alert {
  std::string name;  ///< label "alertname"
  bool firing = true;
  std::string fingerprint;             ///< as the sender gave it; empty: none
  std::string starts_at;               ///< as the sender wrote it
  Severity severity = Severity::none;  ///< label "severity"
  std::vector<std::pair<std::string, std::string>> labels;
  bool labels_cut = false;  ///< there were more labels than are kept
  std::string summary;      ///< annotation "summary", else "description"

  [[nodiscard]] std::string label(std::string_view name) const;  ///< empty: there is none
};

/// What one call of a webhook says.
struct Webhook {
  std::vector<Alert> alerts;
  std::size_t unreadable = 0;   ///< alerts that are not JSON objects; the others are read
  std::uint64_t truncated = 0;  ///< alerts that the sender says it left out
  std::string receiver;
  /// A sentence for people if the sender's version is not known; empty for Alertmanager's version
  /// "4" and Grafana's "1".
  std::string strange;
};

/// Reads what Alertmanager posts (version "4"), and Grafana's alerting in the same form (version
/// "1"). Reads other versions as far as it can: unknown fields are skipped, missing ones are empty.
/// Throws Error{bad_request} only if there is no list of alerts.
[[nodiscard]] Webhook webhook_from(const boost::json::object& body);
/// Reads the call without its alerts, or one alert, for callers that read the alerts a few at a
/// time. Throws as webhook_from() does.
[[nodiscard]] Webhook webhook_head(const boost::json::object& body);
[[nodiscard]] Alert alert_from(const boost::json::object& alert);

/// The code of the fault: "xid:N" if a label carries the XID (dcgm-exporter's "xid" and
/// "err_code"), so that it is the same fault as the kernel's line; else "alert:NAME", with '_' for
/// each blank.
[[nodiscard]] std::string code_of(const Alert& alert);

}  // namespace cardswap::health
