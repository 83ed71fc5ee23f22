#pragma once

#include <signal.h>

#include <boost/json.hpp>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "tests/support/exposition.h"
#include "tests/support/hosts.h"
#include "tests/support/http.h"

namespace cardswap::test {

inline constexpr auto kFieldUuid = "GPU-95d4eaef-812a-5157-fec0-7d64667313dc";

/// "node7": an agent that watches a kernel log which the test writes, has no NVML, and takes its
/// cpu:0 for the GPU kFieldUuid at 0000:3b:00.0; and "gpu-b", to which its jobs may go.
class HealthHost {
 public:
  /// `policy`: YAML beside `spares` and `devices`, which are given; `spares` empty: gpu-b's cpu:0.
  explicit HealthHost(std::string policy, std::string spares = {},
                      std::vector<std::string> b_devices = {"cpu:0"})
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
    // An agent's first look begins at the log's end: a line that comes before it is not its own.
    if (!told("kernel_log: ok")) throw std::runtime_error("no kernel log: " + a->log());
  }

  [[nodiscard]] std::string policy_file() const { return (dir_.path() / "policy.yaml").string(); }
  [[nodiscard]] std::string log_file() const { return (dir_.path() / "kern.log").string(); }
  void write_policy(const std::string& policy) const {
    // On a busy machine a predicted downtime may stay above any limit.
    const bool limits = policy.find("migration:") != std::string::npos;
    std::ofstream(policy_file()) << (limits ? "" : "migration: {max_downtime: none}\n")
                                 << "spares: [\"" << spares_
                                 << "\"]\ndevices: {\"cpu:0\": {uuid: " << kFieldUuid
                                 << ", pci: \"0000:3b:00.0\"}}\n"
                                 << policy;
  }
  /// SIGHUP to the agent.
  void hang_up() const {
    const auto version = ask_over_unix(*a, {.target = "/v1/version"}).body;
    ::kill(static_cast<pid_t>(number(version, "pid")), SIGHUP);
  }
  void append(const std::string& text) const {
    std::ofstream(log_file(), std::ios::app | std::ios::binary) << text << std::flush;
  }
  void train(const std::string& name = "job") const {
    a->run_job(name, {trainer("plain_memory"), "--steps", "100000", "--step-ms", "5"});
    if (!within(std::chrono::seconds(20), [&] { return a->step_of(name) >= 3; })) {
      throw std::runtime_error("the job does not step: " + a->log());
    }
  }
  [[nodiscard]] bool moved(const std::string& name = "job") const {
    return within(std::chrono::seconds(20), [&] { return text(a->job(name), "state") == "moved"; });
  }
  [[nodiscard]] std::string events() const { return a->command({"events", "--limit", "1000"}).out; }
  [[nodiscard]] bool told(const std::string& part) const {
    return within(std::chrono::seconds(10),
                  [&] { return events().find(part) != std::string::npos; });
  }
  [[nodiscard]] HttpAnswer post(const std::string& body) const {
    return ask_over_tcp(*a, {"POST", "/v1/alerts", body, {{"Content-Type", "application/json"}}});
  }
  [[nodiscard]] Scrape scrape() const {
    return parse_scrape(ask_over_unix(*a, {.target = "/metrics"}).content);
  }
  /// GET /v1/health.
  [[nodiscard]] boost::json::object health() const {
    return ask_over_unix(*a, {.target = "/v1/health"}).body;
  }
  /// What it did to jobs and devices; empty: nothing.
  [[nodiscard]] std::string done() const {
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

 private:
  TempDir dir_;

 public:
  Host b;
  std::unique_ptr<Host> a;

 private:
  std::string spares_;
};

/// One alert, its labels as JSON members.
[[nodiscard]] inline std::string alert_json(const std::string& labels,
                                            const std::string& fingerprint = "f") {
  return R"({"status":"firing","labels":{)" + labels +
         R"(},"annotations":{"summary":"field case"},"startsAt":"2026-11-28T09:51:03.157Z",)" +
         R"("endsAt":"0001-01-01T00:00:00Z","fingerprint":")" + fingerprint + "\"}";
}
[[nodiscard]] inline std::string webhook_json(const std::string& alerts,
                                              const std::string& version = "4") {
  return R"({"receiver":"cardswap","status":"firing","groupKey":"{}","truncatedAlerts":0,)"
         R"("version":")" +
         version + R"(","alerts":[)" + alerts + "]}";
}

}  // namespace cardswap::test
