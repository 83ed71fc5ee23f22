#include "agent/health/sources/webhooks.h"

#include <fmt/format.h>

#include <boost/json.hpp>
#include <chrono>

#include "agent/base/printable.h"
#include "agent/base/units.h"
#include "agent/health/sources/alert_target.h"

namespace cardswap::health {
namespace {

namespace json = boost::json;

constexpr std::size_t kAlertsAtOnce = 64;
constexpr std::chrono::milliseconds kPause{1};  // others' turn
constexpr std::chrono::seconds kTurn{1};

}  // namespace

/// The turn of one call: the next call waits for its end.
class Webhooks::Turn {
 public:
  explicit Turn(Webhooks& of) : of_(of) { of_.is_taking_ = true; }
  ~Turn() {
    of_.is_taking_ = false;
    of_.turn_.notify();
  }
  Turn(const Turn&) = delete;
  Turn& operator=(const Turn&) = delete;

 private:
  Webhooks& of_;
};

Webhooks::Webhooks(const SourceScope& scope)
    : config_(scope.config), journalled_(scope.journalled), counters_(scope.counters) {}

std::string Webhooks::take(const Alert& alert, const OwnHost& own, Result& taken) {
  const auto target = target_of(alert, journalled_.engine().devices(), own);
  ++counters_.alerts.at(static_cast<std::size_t>(target.scope));
  if (target.scope == AlertScope::not_ours) {
    ++taken.not_ours;
    return {};
  }
  if (target.scope == AlertScope::unclear) {
    ++taken.unclear;
    return alert.firing ? fmt::format("{}: {}", alert.name, target.why) : std::string();
  }
  ++taken.ours;
  Finding finding;
  finding.device = target.device;
  finding.code = code_of(alert);
  finding.source = FaultSource::alert;
  finding.firing = alert.firing;
  finding.lasting = true;
  finding.severity = alert.severity;
  finding.detail = alert.summary.empty() ? alert.name : alert.summary;
  finding.who = alert.fingerprint;
  finding.labels = alert.labels;
  journalled_.observe(std::move(finding));
  return {};
}

asio::awaitable<Webhooks::Result> Webhooks::take(json::object body) {
  const auto webhook = webhook_head(body);
  while (is_taking_) co_await turn_.wait_until(std::chrono::steady_clock::now() + kTurn);
  const Turn turn(*this);
  const auto own = own_host(config_);
  Result taken;
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
  counters_.alerts_unreadable += taken.unreadable;
  note_receipt(webhook, taken, firing, unclear);
  journalled_.write();  // throws: the sender gets no 2xx and repeats; it is counted as refused
  ++counters_.webhooks_taken;
  co_return taken;
}

void Webhooks::note_receipt(const Webhook& webhook, const Result& taken, std::size_t firing,
                            const std::string& unclear) {
  auto text = fmt::format("{} from {}, {} for this host, {} of them firing",
                          counted(taken.all(), "alert"), webhook.receiver, taken.ours, firing);
  if (taken.unclear > 0) text += fmt::format("; {} of unclear origin", taken.unclear);
  if (taken.unreadable > 0) text += fmt::format("; {} that are none", taken.unreadable);
  if (webhook.truncated > 0) {
    text += fmt::format("; the sender left out {}: set max_alerts to 0", webhook.truncated);
  }
  if (!webhook.strange.empty()) text += "; " + webhook.strange;
  journalled_.emit_event({.kind = "webhook", .text = text, .of_alerts = true});
  if (unclear.empty()) return;
  const auto others = taken.unclear > 1
                          ? fmt::format(" ({} such alerts in this webhook)", taken.unclear)
                          : std::string();
  journalled_.emit_event(
      {.kind = "unclear_alert",
       .text = fmt::format("{}: not acted on; a label like node={} would say whose it is{}",
                           unclear, config_.host_name, others),
       .of_alerts = true});
}

void Webhooks::note_refused(const Error& error) {
  ++counters_.webhooks_refused;
  journalled_.emit_event(
      {.kind = "webhook_refused", .text = excerpt(error.what()), .of_alerts = true});
  journalled_.flush();
}

}  // namespace cardswap::health
