#include "tests/support/health_host.h"

#include <signal.h>

#include <boost/json.hpp>
#include <chrono>
#include <fstream>
#include <stdexcept>
#include <utility>

namespace cardswap::test {

HealthHost::HealthHost(const std::string& policy, std::string spares,
                       std::vector<std::string> b_devices)
    : b(dir_.path() / "b", {.name = "gpu-b",
                            .devices = std::move(b_devices),
                            .more = {"--nvml", "none", "--kernel-log", "none"}}),
      spares_(spares.empty() ? b.at("cpu:0") : std::move(spares)) {
  write_policy(policy);
  append("");
  a = std::make_unique<Host>(
      dir_.path() / "a", HostOptions{.name = "node7",
                                     .more = {"--nvml", "none", "--health-policy", policy_file(),
                                              "--kernel-log", log_file()}});
  // The agent begins at the log's end: a line that was appended earlier would be skipped.
  if (!told("kernel_log: ok")) throw std::runtime_error("no kernel log: " + a->log());
}

void HealthHost::write_policy(const std::string& policy) const {
  // On a busy machine a predicted downtime may stay above any limit.
  const bool limits = policy.find("migration:") != std::string::npos;
  std::ofstream(policy_file()) << (limits ? "" : "migration: {max_downtime: none}\n")
                               << "spares: [\"" << spares_
                               << "\"]\ndevices: {\"cpu:0\": {uuid: " << kFieldUuid
                               << ", pci: \"0000:3b:00.0\"}}\n"
                               << policy;
}

void HealthHost::hang_up() const {
  const auto version = ask_over_unix(*a, {.target = "/v1/version"}).body;
  ::kill(static_cast<pid_t>(number(version, "pid")), SIGHUP);
}

void HealthHost::append(const std::string& text) const {
  std::ofstream(log_file(), std::ios::app | std::ios::binary) << text << std::flush;
}

void HealthHost::train(const std::string& name) const {
  a->run_job(name, {trainer("plain_memory"), "--steps", "100000", "--step-ms", "5"});
  if (!within(std::chrono::seconds(20), [&] { return a->step_of(name) >= 3; })) {
    throw std::runtime_error("the job does not step: " + a->log());
  }
}

bool HealthHost::moved(const std::string& name) const {
  return within(std::chrono::seconds(20), [&] { return text(a->job(name), "state") == "moved"; });
}

std::string HealthHost::events() const { return a->command({"events", "--limit", "1000"}).out; }

bool HealthHost::told(const std::string& part) const {
  return within(std::chrono::seconds(10), [&] { return events().find(part) != std::string::npos; });
}

HttpResponse HealthHost::post(const std::string& body) const {
  return ask_over_tcp(*a, {"POST", "/v1/alerts", body, {{"Content-Type", "application/json"}}});
}

Scrape HealthHost::scrape() const {
  return parse_scrape(ask_over_unix(*a, {.target = "/metrics"}).content);
}

boost::json::object HealthHost::health() const {
  return ask_over_unix(*a, {.target = "/v1/health"}).body;
}

std::string HealthHost::done() const {
  std::string all;
  const auto status = a->ask({"status"});
  for (const auto& migration : status.at("migrations").as_array()) {
    all += boost::json::serialize(migration) + "\n";
  }
  const auto cordons = ask_over_unix(*a, {.target = "/v1/cordon"}).body;
  for (const auto& cordon : cordons.at("cordons").as_array()) {
    all += boost::json::serialize(cordon) + "\n";
  }
  return all;
}

std::string alert_json(const std::string& labels, const std::string& fingerprint) {
  return R"({"status":"firing","labels":{)" + labels +
         R"(},"annotations":{"summary":"field case"},"startsAt":"2026-11-28T09:51:03.157Z",)" +
         R"("endsAt":"0001-01-01T00:00:00Z","fingerprint":")" + fingerprint + "\"}";
}

std::string webhook_json(const std::string& alerts, const std::string& version) {
  return R"({"receiver":"cardswap","status":"firing","groupKey":"{}","truncatedAlerts":0,)"
         R"("version":")" +
         version + R"(","alerts":[)" + alerts + "]}";
}

}  // namespace cardswap::test
