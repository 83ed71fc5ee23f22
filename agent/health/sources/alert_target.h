#pragma once

#include <string>
#include <vector>

#include "agent/health/sources/alert.h"
#include "agent/health/sources/own_host.h"

namespace cardswap::health {

/// Whether an alert is about this host. Only an alert that proves it may move a job.
enum class AlertScope : std::uint8_t {
  ours,
  not_ours,  ///< it names another host, or a device that is not here
  unclear,   ///< no label names a host, or labels disagree: it is reported and never acted on
};
[[nodiscard]] const char* to_string(AlertScope scope);

/// The device that an alert is about.
struct AlertTarget {
  AlertScope scope = AlertScope::unclear;
  std::string device;  ///< if `scope` is ours: a device of this agent, or kHost
  std::string why;     ///< for people: the label that decided
};

/// Reads all labels, in any case, because sites name them differently. A label names a host if its
/// last word is host, hostname, node, machine, server, fqdn, instance or the like
/// ("Hostname", "kubernetes_node", "nodeName", "host_ip", "exported_instance"). A device is named
/// by its UUID, its PCI address or `cardswap_device`.
///
/// The alert is ours if no label names another host and one label proves this host: its name, one
/// of its addresses, or the UUID of one of its devices. PCI addresses and device names are the same
/// on all hosts: they select the device after the host is proved. The name of an exporter's pod is
/// not a host name. The address in `instance` is where an exporter answers: it decides only if no
/// other label does. Pure.
[[nodiscard]] AlertTarget target_of(const Alert& alert, const std::vector<DeviceName>& devices,
                                    const OwnHost& own);

}  // namespace cardswap::health
