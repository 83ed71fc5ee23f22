#pragma once

#include <boost/json/object.hpp>
#include <string>
#include <utility>
#include <vector>

#include "agent/health/finding.h"

namespace cardswap::health {

/// One alert of a webhook call, made safe: names and values are bounded and shown().
struct Alert {
  std::string name;  ///< label "alertname"
  bool firing = true;
  std::string fingerprint;
  std::string starts_at;
  Severity severity = Severity::none;  ///< label "severity"
  std::vector<std::pair<std::string, std::string>> labels;
  std::string summary;  ///< annotation "summary", else "description"

  [[nodiscard]] std::string label(std::string_view name) const;  ///< empty: not there
};

struct Webhook {
  std::vector<Alert> alerts;
  std::uint64_t truncated = 0;  ///< alerts that the sender left out
  std::string receiver;
};

/// What Alertmanager posts (version "4"). Fields it does not know are passed over, fields that are
/// missing are empty. Throws Error{bad_request}: another version, no list of alerts, over 1,000 of
/// them, or one that is no object.
[[nodiscard]] Webhook webhook_from(const boost::json::object& body);

/// How an alert names its device: "cardswap_device", "UUID", "pci_bus_id" and their spellings by
/// exporters; the host by "Hostname", "node" or "instance".
struct AlertTarget {
  std::string device;  ///< of ours, or kHost
  bool ours = true;    ///< false: it is about another host, or a device that is not here
  std::string said;    ///< what it said, for the event
};
[[nodiscard]] AlertTarget target_of(const Alert& alert, const std::vector<DeviceName>& devices,
                                    std::string_view host);

/// "xid:N" when a label carries the XID (dcgm-exporter's "xid" and "err_code"), so that the alert
/// is the same fault as the kernel's line; else "alert:NAME".
[[nodiscard]] std::string code_of(const Alert& alert);

}  // namespace cardswap::health
