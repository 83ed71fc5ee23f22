#pragma once

#include <boost/json.hpp>
#include <memory>
#include <string>
#include <vector>

#include "tests/support/hosts.h"
#include "tests/support/http.h"
#include "tests/support/scrape.h"

namespace cardswap::test {

inline constexpr auto kFieldUuid = "GPU-95d4eaef-812a-5157-fec0-7d64667313dc";

/// "node7": an agent that watches a kernel log which the test writes, has no NVML, and takes its
/// cpu:0 for the GPU kFieldUuid at 0000:3b:00.0; and "gpu-b", to which its jobs may go.
class HealthHost {
 public:
  /// `policy` is YAML without the keys `spares` and `devices`, which this adds. Empty `spares`: the
  /// cpu:0 of gpu-b.
  explicit HealthHost(const std::string& policy, std::string spares = {},
                      std::vector<std::string> b_devices = {"cpu:0"});

  [[nodiscard]] std::string policy_file() const { return (dir_.path() / "policy.yaml").string(); }
  [[nodiscard]] std::string log_file() const { return (dir_.path() / "kern.log").string(); }
  void write_policy(const std::string& policy) const;
  /// Sends SIGHUP to the agent.
  void hang_up() const;
  /// Appends `text` to the kernel log.
  void append(const std::string& text) const;
  /// Starts a job and waits for its third step.
  void train(const std::string& name = "job") const;
  [[nodiscard]] bool moved(const std::string& name = "job") const;
  [[nodiscard]] std::string events() const;
  /// Waits for an event that contains `part`; false: none came in time.
  [[nodiscard]] bool told(const std::string& part) const;
  [[nodiscard]] HttpResponse post(const std::string& body) const;
  [[nodiscard]] Scrape scrape() const;
  /// The answer to GET /v1/health.
  [[nodiscard]] boost::json::object health() const;
  /// What the monitor did to jobs and devices; empty: nothing.
  [[nodiscard]] std::string done() const;

 private:
  TempDir dir_;

 public:
  Host b;
  std::unique_ptr<Host> a;

 private:
  std::string spares_;
};

/// One alert; `labels` are JSON members.
[[nodiscard]] std::string alert_json(const std::string& labels,
                                     const std::string& fingerprint = "f");
[[nodiscard]] std::string webhook_json(const std::string& alerts, const std::string& version = "4");

}  // namespace cardswap::test
