#include "agent/health/decisions/policy_yaml.h"

#include <fmt/format.h>
#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <functional>
#include <map>
#include <sstream>
#include <type_traits>

#include "agent/base/address.h"
#include "agent/base/path_trust.h"
#include "agent/base/printable.h"
#include "agent/base/units.h"
#include "migrator/base/error.h"

namespace cardswap::health {
namespace {

constexpr std::size_t kBytesMax = 256U << 10;
constexpr std::size_t kListMax = 256;
constexpr Ms kProbeEveryMin = 50;

/// Helpers that read one file; they know its name for error texts.
class Reader {
 public:
  explicit Reader(std::string file) : file_(std::move(file)) {}

  using Keys = std::map<std::string, std::function<void(const YAML::Node&)>, std::less<>>;

  [[noreturn]] void fail(const YAML::Node& at, const std::string& what,
                         const std::string& hint = "docs/health.md describes the policy") const {
    throw Error(Code::bad_request, fmt::format("{}:{}: {}", file_, line_of(at), what), hint);
  }
  static int line_of(const YAML::Node& at) { return at.Mark().line + 1; }

  void map(const YAML::Node& node, const std::string& name, const Keys& keys) const {
    if (!node.IsMap()) fail(node, fmt::format("{} must be a map", name));
    std::vector<std::string> seen;
    for (const auto& item : node) {
      const auto key = scalar(item.first, "a key");
      const auto found = keys.find(key);
      if (found == keys.end()) {
        std::vector<std::string_view> known;
        for (const auto& [known_key, unused] : keys) known.push_back(known_key);
        fail(item.first, fmt::format("'{}' is no key of {}", excerpt(key, 64), name),
             fmt::format("known here: {}", fmt::join(known, ", ")));
      }
      if (std::find(seen.begin(), seen.end(), key) != seen.end()) {
        fail(item.first, fmt::format("'{}' is given twice", key));
      }
      seen.push_back(key);
      found->second(item.second);
    }
  }
  [[nodiscard]] std::string scalar(const YAML::Node& node, const std::string& name) const {
    if (!node.IsScalar()) fail(node, fmt::format("{} must be a single value", name));
    return node.Scalar();
  }
  void list(const YAML::Node& node, const std::string& name,
            const std::function<void(const YAML::Node&)>& each) const {
    if (!node.IsSequence()) fail(node, fmt::format("{} must be a list", name));
    if (node.size() > kListMax) fail(node, fmt::format("{}: over {} entries", name, kListMax));
    for (const auto& item : node) each(item);
  }
  [[nodiscard]] auto texts(std::vector<std::string>& out, const std::string& name) const {
    return [this, &out, name](const YAML::Node& node) {
      list(node, name, [&](const YAML::Node& item) { out.push_back(scalar(item, name)); });
    };
  }
  [[nodiscard]] auto text(std::string& out, const std::string& name) const {
    return [this, &out, name](const YAML::Node& node) { out = scalar(node, name); };
  }
  [[nodiscard]] Ms duration_at(const YAML::Node& node, const std::string& name) const {
    try {
      return parse_duration(name, scalar(node, name)).count();
    } catch (const Error& error) {
      fail(node, error.failure(), error.hint());
    }
  }
  template <class Out>
  [[nodiscard]] auto duration(Out& out, const std::string& name) const {
    return [this, &out, name](const YAML::Node& node) {
      if constexpr (std::is_same_v<Out, double>) {
        out = static_cast<double>(duration_at(node, name));
      } else {
        out = duration_at(node, name);
      }
    };
  }
  [[nodiscard]] auto number(unsigned& out, const std::string& name, unsigned least,
                            unsigned most) const {
    return [this, &out, name, least, most](const YAML::Node& node) {
      const auto text = scalar(node, name);
      const bool digits = !text.empty() && text.size() <= 6 &&
                          text.find_first_not_of("0123456789") == std::string::npos;
      const auto value = digits ? std::stoul(text) : 0;
      if (!digits || value < least || value > most) {
        fail(node, fmt::format("{}: '{}' is no number from {} to {}", name, excerpt(text, 64),
                               least, most));
      }
      out = static_cast<unsigned>(value);
    };
  }
  [[nodiscard]] auto flag(bool& out, const std::string& name) const {
    return [this, &out, name](const YAML::Node& node) {
      const auto text = scalar(node, name);
      if (text != "true" && text != "false") {
        fail(node, fmt::format("{}: '{}' is neither true nor false", name, excerpt(text, 64)));
      }
      out = text == "true";
    };
  }
  template <class Value>
  [[nodiscard]] Value one_of(const YAML::Node& node, const std::string& name,
                             const std::vector<Value>& values) const {
    const auto text = scalar(node, name);
    std::string known;
    for (const auto value : values) {
      if (text == to_string(value)) return value;
      known += fmt::format("{}{}", known.empty() ? "" : ", ", to_string(value));
    }
    fail(node, fmt::format("'{}' is no {}", excerpt(text, 64), name), "use " + known);
  }

 private:
  std::string file_;
};

PolicyRule rule_from(const Reader& in, const YAML::Node& node) {
  PolicyRule rule;
  rule.line = Reader::line_of(node);
  const auto severity = [&](const YAML::Node& at) {
    rule.severity = in.one_of<Severity>(at, "severity", {Severity::warning, Severity::critical});
  };
  const auto labels = [&](const YAML::Node& at) {
    if (!at.IsMap()) in.fail(at, "labels must be a map");
    for (const auto& item : at) {
      rule.labels.emplace_back(in.scalar(item.first, "a label"), in.scalar(item.second, "a label"));
    }
  };
  in.map(node, "a rule",
         {{"match",
           [&](const YAML::Node& at) {
             in.map(at, "match",
                    {{"code", in.text(rule.code, "code")},
                     {"device", in.text(rule.device, "device")},
                     {"severity", severity},
                     {"labels", labels}});
           }},
          {"action",
           [&](const YAML::Node& at) {
             rule.action = in.one_of<PolicyAction>(
                 at, "action",
                 {PolicyAction::ignore, PolicyAction::alert, PolicyAction::cordon,
                  PolicyAction::recover, PolicyAction::migrate, PolicyAction::drain});
           }},
          {"for", in.duration(rule.hold, "for")},
          {"resolve_after", in.duration(rule.resolve_after, "resolve_after")}});
  if (rule.code.empty() && rule.device.empty() && rule.labels.empty() &&
      rule.severity == Severity::none) {
    in.fail(node, "a rule without a match", "say `match: {code: \"*\"}` if all is meant");
  }
  if (!rule.action && !rule.hold && !rule.resolve_after) {
    in.fail(node, "a rule that changes nothing", "give it an action, for or resolve_after");
  }
  return rule;
}

Probe probe_from(const Reader& in, const YAML::Node& node) {
  Probe probe;
  in.map(node, "a probe",
         {{"name", in.text(probe.name, "name")},
          {"device", in.text(probe.device, "device")},
          {"file", in.text(probe.file, "file")},
          {"command", in.texts(probe.argv, "command")},
          {"every", in.duration(probe.every, "every")},
          {"timeout", in.duration(probe.timeout, "timeout")}});
  const bool named =
      !probe.name.empty() && probe.name.size() <= 63 &&
      probe.name.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789._-") == std::string::npos;
  if (!named) in.fail(node, "a probe's name is of a-z, 0-9, '.', '_' and '-'");
  if (probe.file.empty() == probe.argv.empty()) {
    in.fail(node, "a probe has either a file or a command");
  }
  if (!probe.argv.empty() && !probe.argv.front().starts_with('/')) {
    in.fail(node, "a probe's command starts with a full path");
  }
  if (probe.every < kProbeEveryMin || probe.timeout <= 0) {
    in.fail(node, fmt::format("a probe runs every {} ms at most, with a time-out", kProbeEveryMin));
  }
  return probe;
}

bool is_device(std::string_view name) {
  const auto colon = name.find(':');
  return (name.substr(0, colon) == "cpu" || name.substr(0, colon) == "cuda") &&
         colon != std::string_view::npos && colon + 1 < name.size() && name.size() < colon + 6 &&
         name.find_first_not_of("0123456789", colon + 1) == std::string_view::npos;
}

/// "gpu-b:7070/cuda:7", or "gpu-b:7070" for any device there.
std::string spare_from(const Reader& in, const YAML::Node& node) {
  auto spare = in.scalar(node, "a spare");
  const auto slash = spare.find('/');
  const bool device_ok =
      slash == std::string::npos || is_device(std::string_view(spare).substr(slash + 1));
  if (!device_ok || !address_from(spare.substr(0, slash))) {
    in.fail(node, fmt::format("'{}' is no spare", excerpt(spare, 64)),
            "write it like gpu-b:7070/cuda:7, or like gpu-b:7070 for any device there");
  }
  return spare;
}

DeviceName device_name_from(const Reader& in, const YAML::Node& name, const YAML::Node& node) {
  DeviceName device;
  device.name = in.scalar(name, "a device");
  if (!is_device(device.name)) {
    in.fail(name, fmt::format("'{}' is no device", excerpt(device.name, 64)),
            "cpu:0, cpu:1, ... and cuda:0, cuda:1, ... are");
  }
  in.map(node, "a device",
         {{"uuid", in.text(device.uuid, "uuid")}, {"pci", [&](const YAML::Node& at) {
                                                     device.pci = pci_address(in.scalar(at, "pci"));
                                                     if (device.pci.empty())
                                                       in.fail(at, "no PCI address",
                                                               "write it like 0000:3b:00.0");
                                                   }}});
  return device;
}

void read_mode(const Reader& in, const YAML::Node& at, Policy& policy) {
  const auto mode = in.scalar(at, "mode");
  if (mode != "observe" && mode != "act") {
    in.fail(at, fmt::format("'{}' is no mode", excerpt(mode, 64)), "use observe or act");
  }
  policy.act = mode == "act";
}

void read_budget(const Reader& in, const YAML::Node& at, Policy& policy) {
  in.map(at, "budget",
         {{"at_once", in.number(policy.moves_at_once, "at_once", 1, 64)},
          {"per_hour", in.number(policy.moves_per_hour, "per_hour", 1, 10'000)}});
}

void read_cooldown(const Reader& in, const YAML::Node& at, Policy& policy) {
  in.map(at, "cooldown",
         {{"job", in.duration(policy.job_cooldown, "job")},
          {"device", in.duration(policy.device_cooldown, "device")}});
}

void read_retry(const Reader& in, const YAML::Node& at, Policy& policy) {
  in.map(at, "retry",
         {{"after", in.duration(policy.retry_after, "after")},
          {"tries", in.number(policy.tries, "tries", 1, 100)}});
}

void read_breaker(const Reader& in, const YAML::Node& at, Policy& policy) {
  in.map(at, "breaker",
         {{"failures", in.number(policy.breaker_failures, "failures", 1, 1000)},
          {"devices_percent", in.number(policy.breaker_devices_percent, "devices_percent", 1, 100)},
          {"devices_min", in.number(policy.breaker_devices_min, "devices_min", 1, 1000)},
          {"window", in.duration(policy.breaker_window, "window")},
          {"reset", in.duration(policy.breaker_reset, "reset")}});
}

void read_migration(const Reader& in, const YAML::Node& at, Policy& policy) {
  in.map(at, "migration",
         {{"max_stall", in.duration(policy.migration.max_stall_ms, "max_stall")},
          {"max_downtime", in.duration(policy.migration.max_stall_ms, "max_downtime")},  // older
          {"encrypt", in.flag(policy.migration.encrypt, "encrypt")},
          {"timeout", in.duration(policy.migration.timeout_ms, "timeout")},
          {"deadline", in.duration(policy.deadline, "deadline")}});
  if (at["max_stall"] && at["max_downtime"]) {
    in.fail(at, "max_downtime is the older name of max_stall: give one of them");
  }
}

void read_devices(const Reader& in, const YAML::Node& at, Policy& policy) {
  if (!at.IsMap()) in.fail(at, "devices must be a map");
  if (at.size() > kListMax) in.fail(at, "too many devices");
  for (const auto& item : at) {
    auto device = device_name_from(in, item.first, item.second);
    for (const auto& other : policy.devices) {
      const bool same = (!device.uuid.empty() && device.uuid == other.uuid) ||
                        (!device.pci.empty() && device.pci == other.pci);
      if (same || device.name == other.name) {
        in.fail(item.first,
                fmt::format("{} and {} have the same name, uuid or pci", other.name, device.name));
      }
    }
    policy.devices.push_back(std::move(device));
  }
}

Policy read(const Reader& in, const YAML::Node& root) {
  Policy policy;
  if (root.IsNull()) return policy;
  unsigned version = 1;
  const auto section = [&](void (*read)(const Reader&, const YAML::Node&, Policy&)) {
    return [&in, &policy, read](const YAML::Node& at) { read(in, at, policy); };
  };
  const auto list_of = [&](const char* name, auto& items, auto item_from) {
    return [&in, name, &items, item_from](const YAML::Node& at) {
      in.list(at, name, [&](const YAML::Node& item) { items.push_back(item_from(in, item)); });
    };
  };
  in.map(root, "the policy",
         {{"version", in.number(version, "version", 1, 1)},
          {"mode", section(read_mode)},
          {"budget", section(read_budget)},
          {"cooldown", section(read_cooldown)},
          {"retry", section(read_retry)},
          {"breaker", section(read_breaker)},
          {"migration", section(read_migration)},
          {"merge_window", in.duration(policy.merge_window, "merge_window")},
          {"resolve_after", in.duration(policy.resolve_after, "resolve_after")},
          {"spares", list_of("spares", policy.spares, spare_from)},
          {"stay", in.texts(policy.stay, "stay")},
          {"devices", section(read_devices)},
          {"rules", list_of("rules", policy.rules, rule_from)},
          {"probes", list_of("probes", policy.probes, probe_from)}});
  return policy;
}

}  // namespace

Policy policy_from_yaml(const std::string& text, const std::string& file) {
  const Reader in(file);
  if (text.size() > kBytesMax) {
    throw Error(Code::bad_request, fmt::format("{}: over {} KiB", file, kBytesMax >> 10),
                "a policy is a page, not a book");
  }
  try {
    return read(in, YAML::Load(text));
  } catch (const YAML::Exception& error) {
    throw Error(Code::bad_request, fmt::format("{}:{}: {}", file, error.mark.line + 1, error.msg),
                "the file must be YAML; docs/health.md has an example");
  }
}

Policy policy_from_file(const std::filesystem::path& file) {
  const auto text = read_own_file("the health policy", file, kBytesMax);
  return policy_from_yaml(text, file.string());
}

}  // namespace cardswap::health
