#include "agent/health/sources/alert_target.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>

namespace cardswap::health {
namespace {

using Match = OwnHost::Match;

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }
bool is_upper(char c) { return c >= 'A' && c <= 'Z'; }
bool is_word(char c) {
  const char l = lower(c);
  return (l >= 'a' && l <= 'z') || (c >= '0' && c <= '9');
}

std::string lowered(std::string_view text) {
  std::string result(text);
  for (auto& c : result) c = lower(c);
  return result;
}

/// "k8s", "node", "name" of "k8s_nodeName".
std::vector<std::string> words_of(std::string_view key) {
  std::vector<std::string> words(1);
  for (std::size_t i = 0; i < key.size(); ++i) {
    const bool begins = i > 0 && is_upper(key[i]) && is_word(key[i - 1]) && !is_upper(key[i - 1]);
    if ((begins || !is_word(key[i])) && !words.back().empty()) words.emplace_back();
    if (is_word(key[i])) words.back() += lower(key[i]);
  }
  if (words.back().empty()) words.pop_back();
  return words;
}

template <std::size_t N>
bool among(const std::array<const char*, N>& list, std::string_view word) {
  return std::find(list.begin(), list.end(), word) != list.end();
}

enum class Label : std::uint8_t {
  other,
  node,      ///< always a machine: "node", "kubernetes_node", "nodename"
  host,      ///< a machine, or the container that an exporter is in: "Hostname", "host"
  instance,  ///< where an exporter is asked, which most often is on the machine that it tells of
};

constexpr std::array kNode{"node", "nodename", "nodeip", "nodefqdn"};
constexpr std::array kHostWords{"host",     "hostname", "machine",     "machinename",
                                "server",   "fqdn",     "servername",  "hostip",
                                "computer", "hostfqdn", "hostaddress", "hypervisor"};
/// Words for a property of a machine: the word before them says which machine.
constexpr std::array kOfIt{"name", "ip", "ipaddress", "address", "addr", "fqdn", "ipv4", "ipv6"};

Label label_of(std::string_view key) {
  auto words = words_of(key);
  if (words.empty()) return Label::other;
  if (words.size() == 1 && among(kOfIt, words[0])) {
    return words[0] == "name" ? Label::other : Label::host;
  }
  while (words.size() > 1 && among(kOfIt, words.back())) words.pop_back();
  const auto& head = words.back();
  if (among(kNode, head)) return Label::node;
  if (among(kHostWords, head)) return Label::host;
  return head == "instance" ? Label::instance : Label::other;
}

bool is_pod_label(std::string_view key) {
  auto words = words_of(key);
  while (words.size() > 1 && among(kOfIt, words.back())) words.pop_back();
  return !words.empty() && (words.back() == "pod" || words.back() == "container");
}

/// Whether Kubernetes or a container engine made this name: "dcgm-exporter-x7k2p", "3f2a9c1b0d4e".
/// Such a name proves nothing, and does not weaken what other labels prove.
bool is_a_pods(std::string_view said, const Alert& alert) {
  const auto name = lowered(said.substr(0, said.find(':')));
  for (const auto& [key, value] : alert.labels) {
    if (!value.empty() && is_pod_label(key) && lowered(value) == name) return true;
  }
  if (name.find("exporter") != std::string::npos) return true;
  constexpr std::string_view kGenerated = "bcdfghjklmnpqrstvwxz2456789";
  const auto dash = name.rfind('-');
  if (dash != std::string::npos && dash > 0 && name.size() - dash == 6 &&
      name.find_first_not_of(kGenerated, dash + 1) == std::string::npos &&
      name.find('.') == std::string::npos) {
    return true;
  }
  return name.size() == 12 && name.find_first_not_of("0123456789abcdef") == std::string::npos;
}

/// What an alert's labels say together about the host.
struct Hosts {
  std::string us;        ///< the label that names this host; empty: none does
  std::string another;   ///< the same for another host
  std::string asked;     ///< an `instance` with an address of this host
  std::string asked_at;  ///< the same with one that is not this host's
};

Hosts hosts_in(const Alert& alert, const OwnHost& own) {
  Hosts found;
  for (const auto& [key, value] : alert.labels) {
    const auto kind = label_of(key);
    if (kind == Label::other || value.empty()) continue;
    const auto said = fmt::format("{}={}", key, value);
    const bool asked = kind == Label::instance && OwnHost::is_address(value);
    switch (own.match(value)) {
      case Match::nobody: break;
      case Match::us: (asked ? found.asked : found.us) = said; break;
      case Match::another:
        if (asked) {
          found.asked_at = said;
        } else if (kind == Label::node || !is_a_pods(value, alert)) {
          found.another = said;
        }
        break;
    }
  }
  return found;
}

/// "UUID", "gpu_uuid", "DCGM_FI_DEV_UUID", but not a job's or a machine's.
bool is_uuid_label(std::string_view key) {
  constexpr std::array kOfADevice{"gpu", "device", "dev", "exported", "nvidia", "card"};
  const auto words = words_of(key);
  if (words.empty()) return false;
  if (words.back() == "gpuuuid" || words.back() == "deviceuuid") return true;
  return words.back() == "uuid" &&
         (words.size() == 1 || among(kOfADevice, words[words.size() - 2]));
}

bool is_cardswap_device(std::string_view key) {
  std::string joined;
  for (const auto& word : words_of(key)) joined += word;
  return joined == "cardswapdevice";
}

/// "GPU-95d4eaef-812a-5157-fec0-7d64667313dc", whatever its label is called.
bool is_gpu_uuid(std::string_view value) {
  if (value.size() != 40 || lowered(value.substr(0, 4)) != "gpu-") return false;
  return lowered(value.substr(4)).find_first_not_of("0123456789abcdef-") == std::string::npos;
}

bool is_pci_label(std::string_view key) {
  std::string joined;
  for (const auto& word : words_of(key)) joined += word;
  for (const auto* end : {"pci", "pcibusid", "pciaddress", "pciaddr", "pcibus", "pcibdf", "busid",
                          "bdf", "pciid", "pcislot"}) {
    if (joined.ends_with(end)) return true;
  }
  return false;
}

/// What an alert's labels say together about the device.
struct Devices {
  std::optional<std::string> proved;  ///< ours, by its UUID
  std::optional<std::string> called;  ///< the one of ours that has this name or PCI address
  std::string not_here;               ///< the label of a device that this agent does not have
  std::string disagree;
  bool whole_host = false;  ///< cardswap_device: host
};

Devices devices_in(const Alert& alert, const std::vector<DeviceName>& devices) {
  Devices found;
  const auto take = [&](std::optional<std::string>& into, const std::string& device,
                        const std::string& said) {
    const auto& other = found.proved ? found.proved : found.called;
    if (other && *other != device) found.disagree = said;
    into = device;
  };
  for (const auto& [key, value] : alert.labels) {
    if (value.empty()) continue;
    const bool by_name = is_cardswap_device(key);
    const bool by_uuid = is_uuid_label(key);
    const bool by_pci = is_pci_label(key) && !pci_address(value).empty();
    const auto said = fmt::format("{}={}", key, value);
    if (by_name && value == kHost) {
      found.whole_host = true;
      continue;
    }
    const auto device = device_called(devices, value);
    const bool proof =
        device && std::any_of(devices.begin(), devices.end(), [&](const DeviceName& known) {
          return known.name == *device && lowered(known.uuid) == lowered(value);
        });
    if (proof) {
      take(found.proved, *device, said);
    } else if (device && (by_name || by_pci || by_uuid)) {
      take(found.called, *device, said);
    } else if (by_name || by_uuid || by_pci || is_gpu_uuid(value)) {
      found.not_here = said;
    }
  }
  return found;
}

}  // namespace

const char* to_string(AlertScope scope) {
  switch (scope) {
    case AlertScope::ours: return "ours";
    case AlertScope::not_ours: return "not_ours";
    case AlertScope::unclear: return "unclear";
  }
  return "";
}

AlertTarget target_of(const Alert& alert, const std::vector<DeviceName>& devices,
                      const OwnHost& own) {
  const auto hosts = hosts_in(alert, own);
  const auto of = devices_in(alert, devices);
  const auto unclear = [](std::string why) {
    return AlertTarget{AlertScope::unclear, {}, std::move(why)};
  };
  const auto not_ours = [](std::string why) {
    return AlertTarget{AlertScope::not_ours, {}, std::move(why)};
  };
  if (!hosts.another.empty()) {
    if (hosts.us.empty() && !of.proved) return not_ours(hosts.another);
    return unclear(fmt::format("{} names another host, {} this one", hosts.another,
                               of.proved ? *of.proved : hosts.us));
  }
  if (alert.labels_cut) return unclear("it has more labels than are read");
  if (!of.disagree.empty())
    return unclear(of.disagree + " is another device than its other labels");
  if (!of.not_here.empty()) {
    if (of.proved) return unclear(of.not_here + " is no device of this agent, others are");
    return not_ours(of.not_here + " is no device of this agent");
  }
  if (of.proved) return {AlertScope::ours, *of.proved, "its UUID"};
  auto us = hosts.us;
  if (us.empty()) {
    if (!hosts.asked.empty() && !hosts.asked_at.empty()) {
      return unclear(fmt::format("{} and {}", hosts.asked, hosts.asked_at));
    }
    us = hosts.asked;
  }
  if (us.empty()) {
    if (!hosts.asked_at.empty()) return not_ours(hosts.asked_at);
    if (of.called) return unclear(*of.called + " is on every host, and no label names a host");
    return unclear("no label names a host or the UUID of a device");
  }
  if (of.called && of.whole_host) return unclear("it names both a device and the whole host");
  if (of.called) return {AlertScope::ours, *of.called, us};
  return {AlertScope::ours, std::string(kHost), us};
}

}  // namespace cardswap::health
