#include "agent/health/sources/kernel_log_source.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <array>
#include <filesystem>
#include <utility>

#include "agent/base/boot.h"
#include "agent/base/printable.h"
#include "agent/health/decisions/xid_table.h"
#include "agent/health/sources/kernel_log.h"
#include "migrator/base/error.h"

namespace cardswap::health {
namespace {

constexpr std::size_t kLoggedKindsMax = 256;
constexpr std::size_t kHeldMax = 1024;
constexpr Ms kCursorEvery = 5000;

KernelReader reader_of(const Config& config) {
  std::vector<std::string> names{config.host_name};
  std::array<char, 256> own{};
  if (::gethostname(own.data(), own.size() - 1) == 0) names.emplace_back(own.data());
  std::error_code unknown;
  const bool is_kmsg = std::filesystem::is_character_file(config.kernel_log, unknown);
  return {is_kmsg ? LogForm::kmsg : LogForm::file, std::move(names), boot_id()};
}

}  // namespace

KernelLogSource::KernelLogSource(const HealthScope& scope)
    : io_(scope.context.io),
      tasks_(scope.context.tasks),
      config_(scope.context.config),
      journalled_(scope.journalled),
      counters_(scope.counters),
      reader_(reader_of(config_)) {
  journalled_.set_source("kernel_log", config_.kernel_log.empty() ? "off" : "not read yet");
}

void KernelLogSource::start() {
  if (config_.kernel_log.empty()) return;
  LogCallbacks callbacks;
  callbacks.line = [this](std::string_view line, const KernelReader::Since& since) {
    take(line, since);
  };
  callbacks.state = [this](std::string state) { journalled_.set_source("kernel_log", state); };
  callbacks.cursor = [this](LogCursor cursor) {
    if (reader_.is_idle()) cursor_ = std::move(cursor);
  };
  callbacks.caught_up = [this] {
    for (const auto& fault : std::exchange(held_, {})) report(fault);
  };
  callbacks.lost = [this](std::string what) { note_gap(what); };
  const auto from = cursor_from(journalled_.log().cursor(config_.kernel_log.string()));
  tasks_.spawn("follow the kernel log",
               follow_log(io_, config_.kernel_log, from, std::move(callbacks)));
}

void KernelLogSource::note_gap(const std::string& what) {
  ++counters_.kernel_gaps;
  journalled_.emit_event({.kind = "kernel_log_gap", .text = excerpt(what)});
}

void KernelLogSource::take(std::string_view line, const KernelReader::Since& since) {
  const auto news = reader_.read(line, journalled_.now(), since);
  ++counters_.kernel_lines.at(static_cast<std::size_t>(news.fate));
  if (news.begins_boot) held_.clear();
  if (news.fate == LineFate::fault) return take_faults(news, since);
  if (news.fate == LineFate::nothing || news.fate == LineFate::well) return;
  if (!logged_kinds_.insert(fmt::format("{} {}", to_string(news.fate), news.why)).second) return;
  journalled_.emit_event({.kind = "kernel_line",
                          .text = fmt::format("{}: not acted on; further ones are counted only: {}",
                                              news.why, news.sample)});
  if (logged_kinds_.size() > kLoggedKindsMax) logged_kinds_.clear();
}

void KernelLogSource::take_faults(const KernelNews& news, const KernelReader::Since& since) {
  for (const auto& fault : news.faults) {
    if (!since.other_boot || news.timed) {
      report(fault);
      continue;
    }
    // The line that begins this boot may still come: the latest faults are the most likely to be of
    // it.
    if (held_.size() >= kHeldMax) {
      held_.erase(held_.begin());
      if (logged_kinds_.insert("held").second) {
        note_gap(
            fmt::format("more than {} faults before it is known of which boot they are: the "
                        "first ones are not acted on",
                        kHeldMax));
      }
    }
    held_.push_back(fault);
  }
}

void KernelLogSource::report(const DriverFault& fault) {
  saw_fault_ = true;
  Finding finding;
  finding.source = FaultSource::kernel_log;
  finding.code = fault.code;
  finding.detail = fault.detail;
  finding.pid = fault.pid;
  const auto called = fault.pci.empty() ? std::string(kHost) : fault.pci;
  if (fault.pci.empty()) finding.severity = Severity::warning;
  journalled_.report(finding, called);
  if (!fault.recovery) return;
  // The latest recovery action replaces the earlier one.
  const auto wanted = recovery_code(*fault.recovery);
  finding.lasting = true;
  finding.who = "xid:154";
  for (unsigned action = 1; action <= 6; ++action) {
    finding.code = recovery_code(action);
    finding.firing = finding.code == wanted;
    journalled_.report(finding, called);
  }
}

void KernelLogSource::save_cursor() {
  if (cursor_ == saved_cursor_ || cursor_.boot.empty()) return;
  const auto now = journalled_.now();
  if (!saw_fault_ && cursor_saved_at_ != 0 && now < cursor_saved_at_ + kCursorEvery) return;
  try {
    journalled_.log().save_cursor(config_.kernel_log.string(), to_json(cursor_));
    saved_cursor_ = cursor_;
    cursor_saved_at_ = now;
    saw_fault_ = false;
  } catch (const Error& error) {
    spdlog::error("health: {}", error.what());
  }
}

}  // namespace cardswap::health
