#pragma once

#include <string>
#include <vector>

#include "agent/health/alert.h"
#include "agent/health/own_host.h"

namespace cardswap::health {

/// Whose fault an alert tells of. Only what is proved to be this host's may move a job.
enum class Whose : std::uint8_t {
  ours,
  not_ours,  ///< it names another host, or a device that is not here
  unclear,   ///< nothing says whose it is, or its labels disagree: told, never acted on
};
[[nodiscard]] const char* to_string(Whose whose);

struct AlertTarget {
  Whose whose = Whose::unclear;
  std::string device;  ///< ours: of this agent, or kHost
  std::string why;     ///< for people: what decided
};

/// All labels are asked, whatever a site calls them and in whatever case. A host is named by labels
/// whose last word is host, hostname, node, machine, server, fqdn, instance or the like
/// ("Hostname", "kubernetes_node", "nodeName", "host_ip", "exported_instance"), a device by its
/// UUID, its PCI address or `cardswap_device`.
///
/// It is ours when no label names another host and one proves that it is about this one: the host's
/// name or one of its addresses, or the UUID of one of its devices. PCI addresses and names of
/// devices are alike on all hosts: they say which device once the host is proved. A word that is an
/// exporter's pod is no host's name, and the address in `instance` is where an exporter answers: it
/// decides only where no label says more. Pure.
[[nodiscard]] AlertTarget target_of(const Alert& alert, const std::vector<DeviceName>& devices,
                                    const OwnHost& own);

}  // namespace cardswap::health
