// What the monitor hears: NVML, the kernel log, alerts.
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <boost/json.hpp>

#include "agent/base/boot.h"
#include "agent/base/shown.h"
#include "agent/health/kernel_log.h"
#include "agent/health/monitor.h"
#include "agent/health/nvml_source.h"

namespace cardswap::health {

namespace json = boost::json;

namespace {

constexpr std::size_t kUnknownDevicesMax = 256;
constexpr std::size_t kHeldMax = 1024;
constexpr Ms kPlaceEvery = 5000;
constexpr std::size_t kAlertsAtOnce = 64;
constexpr std::chrono::milliseconds kPause{1};  // others' turn
constexpr std::chrono::seconds kTurn{1};

}  // namespace

void Monitor::report(Finding finding, const std::string& called) {
  finding.at = now();
  if (called == kHost) {
    finding.device = kHost;
  } else if (auto device = device_called(engine_.devices(), called)) {
    finding.device = std::move(*device);
  } else {
    // A device of this machine that this agent does not manage: said, never acted on.
    if (unknown_devices_.size() < kUnknownDevicesMax &&
        unknown_devices_.insert(called + finding.code).second) {
      engine_.tell({.at = finding.at,
                    .kind = "not_ours",
                    .device = excerpt(called),
                    .code = finding.code,
                    .text = "this agent has no such device: " + finding.detail});
      wake_.notify();
    }
    return;
  }
  engine_.observe(finding);
  wake_.notify();
}

void Monitor::source_state(const std::string& source, const std::string& state) {
  if (source == "nvml" && state != "ok") nvml_devices_.clear();
  auto& known = sources_[source];
  if (known == state) return;
  known = state;
  engine_.tell(
      {.at = now(), .kind = "source", .text = fmt::format("{}: {}", source, excerpt(state))});
  wake_.notify();
}

// ---- NVML

void Monitor::watch_nvml() {
  NvmlEvents events;
  events.device = [this](int index, std::string uuid, std::string pci) {
    know_nvml_device(index, uuid, pci);
  };
  events.finding = [this](Finding finding) {
    const auto called = finding.device;
    report(std::move(finding), called);
  };
  events.state = [this](std::string state) { source_state("nvml", state); };
  tasks_.spawn("watch NVML", watch_nvml_process(context_, config_.nvml, std::move(events)));
}

void Monitor::know_nvml_device(int index, const std::string& uuid, const std::string& pci) {
  const auto name = fmt::format("cuda:{}", index);
  std::erase_if(nvml_devices_, [&](const auto& known) { return known.name == name; });
  nvml_devices_.push_back({name, uuid, pci});
  const auto& given = engine_.policy().devices;
  const auto told = std::find_if(given.begin(), given.end(),
                                 [&](const auto& device) { return device.name == name; });
  if (told == given.end()) {
    engine_.learn(name, uuid, pci);
    return;
  }
  // What the policy leaves out of a device that it names.
  if (told->pci.empty() && !pci.empty() && device_called({*told}, uuid)) {
    engine_.learn(name, told->uuid, pci);
  }
}

Sight Monitor::sight() const {
  std::vector<WatchedDevice> watched;
  for (const auto& device : engine_.devices()) {
    const auto& given = engine_.policy().devices;
    watched.push_back({device, device.name.starts_with("cuda:"),
                       std::any_of(given.begin(), given.end(),
                                   [&](const auto& one) { return one.name == device.name; })});
  }
  return sight_of(watched, sources_, nvml_devices_);
}

// ---- the kernel log

void Monitor::follow_kernel_log() {
  std::vector<std::string> names{config_.host_name};
  std::array<char, 256> own{};
  if (::gethostname(own.data(), own.size() - 1) == 0) names.emplace_back(own.data());
  std::error_code unknown;
  const bool is_kmsg = std::filesystem::is_character_file(config_.kernel_log, unknown);
  reader_ = std::make_unique<KernelReader>(is_kmsg ? LogForm::kmsg : LogForm::file,
                                           std::move(names), boot_id());
  LogEvents events;
  events.line = [this](std::string_view line, const KernelReader::Since& since) {
    kernel_line(line, since);
  };
  events.state = [this](std::string state) { source_state("kernel_log", state); };
  events.place = [this](LogPlace place) {
    if (reader_->settled()) place_ = std::move(place);
  };
  events.caught_up = [this] {
    for (const auto& fault : std::exchange(held_, {})) kernel_fault(fault);
  };
  events.lost = [this](std::string what) { kernel_lost(what); };
  const auto from = place_from(log_.place(config_.kernel_log.string()));
  tasks_.spawn("follow the kernel log",
               follow_log(context_, config_.kernel_log, from, std::move(events)));
}

void Monitor::kernel_lost(const std::string& what) {
  ++counts_.kernel_gaps;
  engine_.tell({.at = now(), .kind = "kernel_log_gap", .text = excerpt(what)});
  wake_.notify();
}

void Monitor::kernel_line(std::string_view line, const KernelReader::Since& since) {
  const auto news = reader_->read(line, now(), since);
  ++counts_.kernel_lines.at(static_cast<std::size_t>(news.fate));
  if (news.begins_boot) held_.clear();
  if (news.fate == LineFate::fault) {
    for (const auto& fault : news.faults) {
      if (since.other_boot && !news.timed) {
        // The boot's own line is still to come, perhaps: the latest are the likeliest to be of it.
        if (held_.size() >= kHeldMax) {
          held_.erase(held_.begin());
          if (lines_told_.insert("held").second) {
            kernel_lost(
                fmt::format("more than {} faults before it is known of which boot they "
                            "are: the first ones are not acted on",
                            kHeldMax));
          }
        }
        held_.push_back(fault);
      } else {
        kernel_fault(fault);
      }
    }
    return;
  }
  if (news.fate == LineFate::nothing || news.fate == LineFate::well) return;
  if (!lines_told_.insert(fmt::format("{} {}", to_string(news.fate), news.why)).second) return;
  engine_.tell({.at = now(),
                .kind = "kernel_line",
                .text = fmt::format("{}: not acted on; further ones are counted only: {}", news.why,
                                    news.sample)});
  if (lines_told_.size() > kUnknownDevicesMax) lines_told_.clear();
  wake_.notify();
}

void Monitor::kernel_fault(const DriverFault& fault) {
  heard_fault_ = true;
  Finding finding;
  finding.source = Source::kernel_log;
  finding.code = fault.code;
  finding.detail = fault.detail;
  finding.pid = fault.pid;
  const auto called = fault.pci.empty() ? std::string(kHost) : fault.pci;
  if (fault.pci.empty()) finding.severity = Severity::warning;
  report(finding, called);
  if (!fault.recovery) return;
  // The latest action replaces whatever was asked for before.
  const auto wanted = recovery_code(*fault.recovery);
  finding.lasting = true;
  finding.who = "xid:154";
  for (unsigned action = 1; action <= 6; ++action) {
    finding.code = recovery_code(action);
    finding.firing = finding.code == wanted;
    report(finding, called);
  }
}

void Monitor::keep_place(bool now_due) {
  if (place_ == kept_place_ || place_.boot.empty()) return;
  if (!now_due && place_kept_at_ != 0 && now() < place_kept_at_ + kPlaceEvery) return;
  try {
    log_.keep_place(config_.kernel_log.string(), to_json(place_));
    kept_place_ = place_;
    place_kept_at_ = now();
    heard_fault_ = false;
  } catch (const Error& error) {
    spdlog::error("health: {}", error.what());
  }
}

// ---- alerts

std::string Monitor::take(const Alert& alert, const OwnHost& own, Taken& taken) {
  const auto target = target_of(alert, engine_.devices(), own);
  ++counts_.alerts.at(static_cast<std::size_t>(target.whose));
  if (target.whose == Whose::not_ours) {
    ++taken.not_ours;
    return {};
  }
  if (target.whose == Whose::unclear) {
    ++taken.unclear;
    return alert.firing ? fmt::format("{}: {}", alert.name, target.why) : std::string();
  }
  ++taken.ours;
  Finding finding;
  finding.device = target.device;
  finding.code = code_of(alert);
  finding.source = Source::alert;
  finding.at = now();
  finding.firing = alert.firing;
  finding.lasting = true;
  finding.severity = alert.severity;
  finding.detail = alert.summary.empty() ? alert.name : alert.summary;
  finding.who = alert.fingerprint;
  finding.labels = alert.labels;
  engine_.observe(finding);
  return {};
}

asio::awaitable<Monitor::Taken> Monitor::take(json::object body) {
  const auto webhook = webhook_head(body);
  while (takes_webhook_) co_await turn_.wait_until(std::chrono::steady_clock::now() + kTurn);
  struct Turn {
    explicit Turn(Monitor& monitor) : monitor_(monitor) { monitor_.takes_webhook_ = true; }
    ~Turn() {
      monitor_.takes_webhook_ = false;
      monitor_.turn_.notify();
    }
    Turn(const Turn&) = delete;
    Turn& operator=(const Turn&) = delete;
    Monitor& monitor_;
  };
  const Turn turn(*this);
  const auto own = own_host(config_);
  Taken taken;
  std::size_t firing = 0;
  std::string unclear;
  for (const auto& item : body.at("alerts").get_array()) {
    if (taken.all() % kAlertsAtOnce == kAlertsAtOnce - 1) co_await pause_for(kPause);
    if (!item.is_object()) {
      ++taken.unreadable;
      continue;
    }
    const auto alert = alert_from(item.get_object());
    const auto before = taken.ours;
    auto why = take(alert, own, taken);
    if (taken.ours > before && alert.firing) ++firing;
    if (unclear.empty()) unclear = std::move(why);
  }
  counts_.alerts_unreadable += taken.unreadable;
  auto text = fmt::format("{} alerts from {}, {} for this host, {} of them firing", taken.all(),
                          webhook.receiver, taken.ours, firing);
  if (taken.unclear > 0) text += fmt::format("; {} of unclear origin", taken.unclear);
  if (taken.unreadable > 0) text += fmt::format("; {} that are none", taken.unreadable);
  if (webhook.truncated > 0) {
    text += fmt::format("; the sender left out {}: set max_alerts to 0", webhook.truncated);
  }
  if (!webhook.strange.empty()) text += "; " + webhook.strange;
  engine_.tell({.at = now(), .kind = "webhook", .text = text, .of_alerts = true});
  if (!unclear.empty()) {
    engine_.tell(
        {.at = now(),
         .kind = "unclear_alert",
         .text = fmt::format("{}: not acted on; a label like node={} would say whose it is{}",
                             unclear, config_.host_name,
                             taken.unclear > 1
                                 ? fmt::format(" ({} such alerts in this webhook)", taken.unclear)
                                 : ""),
         .of_alerts = true});
  }
  wake_.notify();
  write();  // throws: the sender gets no 2xx and repeats; it is counted as refused
  ++counts_.webhooks_taken;
  co_return taken;
}

void Monitor::refused(const Error& error) {
  ++counts_.webhooks_refused;
  engine_.tell(
      {.at = now(), .kind = "webhook_refused", .text = excerpt(error.what()), .of_alerts = true});
  flush();
}

}  // namespace cardswap::health
