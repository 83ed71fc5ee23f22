#pragma once

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "agent/health/decisions/decision_engine.h"

namespace cardswap::health {

/// The engine of a host with a job on each of its devices, which may act, at a time that the test
/// sets.
class EngineOfAHost : public ::testing::Test {
 protected:
  explicit EngineOfAHost(int devices) {
    policy_.act = true;
    for (int i = 0; i < devices; ++i) {
      const auto device = fmt::format("cuda:{}", i);
      devices_.push_back({device, fmt::format("GPU-{}", i), fmt::format("0000:{:02x}:00", i)});
      jobs_.push_back({fmt::format("job{}", i), fmt::format("uid{}", i), device, 100 + i, 0, {}});
    }
  }
  DecisionEngine& engine() {
    if (!engine_) engine_ = std::make_unique<DecisionEngine>(policy_, devices_);
    return *engine_;
  }
  void see(const std::string& code, const std::string& device = "cuda:0",
           FaultSource source = FaultSource::kernel_log) {
    Finding finding;
    finding.device = device;
    finding.code = code;
    finding.source = source;
    finding.at = now_;
    engine().observe(finding);
  }
  Plan plan() { return engine().plan(now_, jobs_); }
  std::string events() {
    std::string all;
    for (const auto& event : engine().take_events()) {
      all += fmt::format("{} {} {} {}: {}\n", event.kind, event.device, event.code, event.job,
                         event.text);
    }
    return all;
  }

  Policy policy_;
  std::vector<DeviceName> devices_;
  std::vector<HostJob> jobs_;
  std::unique_ptr<DecisionEngine> engine_;
  Ms now_ = 1'700'000'000'000;
};

}  // namespace cardswap::health
