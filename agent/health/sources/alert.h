#pragma once

#include <boost/json/object.hpp>
#include <string>
#include <utility>
#include <vector>

#include "agent/health/decisions/finding.h"

namespace cardswap::health {

/// One alert of a webhook call, made safe: names and values are excerpts of what came.
struct Alert {
  std::string name;  ///< label "alertname"
  bool firing = true;
  std::string fingerprint;
  std::string starts_at;
  Severity severity = Severity::none;  ///< label "severity"
  std::vector<std::pair<std::string, std::string>> labels;
  bool labels_cut = false;  ///< more labels came than are kept; the rest is not known
  std::string summary;      ///< annotation "summary", else "description"

  [[nodiscard]] std::string label(std::string_view name) const;  ///< empty: not there
};

/// What a webhook's call says.
struct Webhook {
  std::vector<Alert> alerts;
  std::size_t unreadable = 0;   ///< alerts that are not JSON objects; the others count
  std::uint64_t truncated = 0;  ///< alerts that the sender left out
  std::string receiver;
  /// A note for people if the sender's version is not known; empty for Alertmanager's version "4"
  /// and Grafana's "1".
  std::string strange;
};

/// What Alertmanager posts (version "4"), and Grafana's alerting in the same shape (version "1").
/// Reads other versions as far as it understands them: skips unknown fields, leaves missing ones
/// empty. Throws Error{bad_request} only if there is no list of alerts.
[[nodiscard]] Webhook webhook_from(const boost::json::object& body);
/// The call without its alerts; and one of them, for who reads them a few at a time.
[[nodiscard]] Webhook webhook_head(const boost::json::object& body);
[[nodiscard]] Alert alert_from(const boost::json::object& alert);

/// "xid:N" if a label carries the XID (dcgm-exporter's "xid" and "err_code"), so that the alert
/// is the same fault as the kernel's line; else "alert:NAME".
[[nodiscard]] std::string code_of(const Alert& alert);

}  // namespace cardswap::health
