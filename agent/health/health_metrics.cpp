#include "agent/health/health_metrics.h"

#include <boost/json.hpp>

namespace cardswap::health {
namespace {

using Type = Exposition::Type;

double count(std::uint64_t number) { return static_cast<double>(number); }

void incidents(Exposition& out, const DecisionEngine& engine) {
  std::array<double, 3> by_state{};
  for (const auto& incident : engine.incidents()) {
    ++by_state.at(static_cast<std::size_t>(nagios_code_of(incident)));
  }
  out.family("cardswap_health_incidents", Type::gauge,
             "Faults that are open, by how bad they are.");
  out.sample(by_state[0], {{"severity", "none"}});
  out.sample(by_state[1], {{"severity", "warning"}});
  out.sample(by_state[2], {{"severity", "critical"}});
  out.family("cardswap_health_device_usable", Type::gauge,
             "1 when health lets jobs on the device.");
  for (const auto& device : engine.devices()) {
    out.sample(engine.incidents().is_usable(device.name) ? 1 : 0, {{"device", device.name}});
  }
}

void guards(Exposition& out, const Monitor& monitor) {
  const auto& of = monitor.engine().guards();
  out.one("cardswap_breaker_open", Type::gauge,
          "1 while health starts no moves because something else must be wrong.",
          of.is_breaker_open(monitor.now()) ? 1 : 0);
  out.one("cardswap_health_acts", Type::gauge, "1 in mode act, 0 in mode observe.",
          monitor.engine().policy().act ? 1 : 0);
  out.one("cardswap_health_moves_running", Type::gauge, "Moves of health under way.",
          count(of.running()));
  out.one("cardswap_health_moves_started_total", Type::counter,
          "Moves that health began to look for a place for.",
          count(monitor.counters().moves_started));
  out.one("cardswap_health_moves_failed_total", Type::counter, "Moves of health that failed.",
          count(monitor.counters().moves_failed));
}

void heard(Exposition& out, const Monitor& monitor) {
  const auto& counters = monitor.counters();
  out.family("cardswap_health_source_up", Type::gauge, "1 when the source of findings is read.");
  for (const auto& [source, state] : monitor.sources()) {
    if (state == "off") continue;  // as asked for: nothing is wrong
    out.sample(state == "ok" ? 1 : 0, {{"source", source}});
  }
  out.family("cardswap_health_webhooks_total", Type::counter, "Webhooks by what became of them.");
  out.sample(count(counters.webhooks_taken), {{"outcome", "taken"}});
  out.sample(count(counters.webhooks_refused), {{"outcome", "refused"}});
  out.family("cardswap_health_alerts_total", Type::counter,
             "Alerts in webhooks: for this host, for others, of unclear origin, unreadable.");
  out.sample(count(counters.of(AlertScope::ours)), {{"outcome", "taken"}});
  out.sample(count(counters.of(AlertScope::not_ours)), {{"outcome", "not_ours"}});
  out.sample(count(counters.of(AlertScope::unclear)), {{"outcome", "unclear"}});
  out.sample(count(counters.alerts_unreadable), {{"outcome", "unreadable"}});
  out.family("cardswap_health_kernel_lines_total", Type::counter,
             "Lines of the kernel log with the driver's words, by what became of them.");
  for (const auto fate : {LineFate::fault, LineFate::well, LineFate::unplaced, LineFate::not_kernel,
                          LineFate::other_host, LineFate::too_old}) {
    out.sample(count(counters.of(fate)), {{"outcome", std::string(to_string(fate))}});
  }
  out.one("cardswap_health_kernel_log_gaps_total", Type::counter,
          "Times that a part of the kernel log could not be read.", count(counters.kernel_gaps));
}

}  // namespace

void write_metrics(Exposition& out, const Monitor& monitor) {
  out.one("cardswap_health_status", Type::gauge,
          "What `cardswap health` says: 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN.",
          monitor.status().at("code").to_number<double>());
  incidents(out, monitor.engine());
  guards(out, monitor);
  heard(out, monitor);
}

}  // namespace cardswap::health
