#pragma once

#include <gtest/gtest.h>
#include <sys/stat.h>

#include "tests/support/machines.h"
#include "tests/support/needs.h"

namespace cardswap::test {

/// gpu-a and gpu-b with agents, and `ops`, where an operator sits with a certificate.
class FleetOfTwo : public ::testing::Test {
 protected:
  void SetUp() override {
    if (const auto why = Switch::missing()) return skip_without("netns", *why);
    ::chmod(dir_.path().c_str(), 0755);
    fleet_.emplace();
    network_.emplace();
    operator_ = fleet_->issue(ApiRole::operator_, "olga").certificate.parent_path();
    ops_.emplace(*network_, dir_.path() / "ops", 2, names());
    a_.emplace(*network_, dir_.path() / "gpu-a", 0, names(), *fleet_, options_of_a());
    b_.emplace(*network_, dir_.path() / "gpu-b", 1, names(), *fleet_);
  }
  [[nodiscard]] virtual std::vector<std::string> options_of_a() const { return {}; }

  static std::vector<std::string> names() { return {"gpu-a", "gpu-b", "ops"}; }
  /// What olga types at `ops`.
  [[nodiscard]] std::vector<std::string> typed(std::vector<std::string> arguments) const {
    arguments.insert(arguments.begin(),
                     {"env", "CARDSWAP_TLS_DIR=" + operator_.string(), CARDSWAP});
    return arguments;
  }
  [[nodiscard]] Outcome types(std::vector<std::string> arguments) const {
    return ops_->run(typed(std::move(arguments)));
  }

  TempDir dir_;
  std::optional<FleetCertificates> fleet_;
  std::optional<Switch> network_;
  std::filesystem::path operator_;
  std::optional<Machine> ops_;
  std::optional<GpuHost> a_;
  std::optional<GpuHost> b_;
};

}  // namespace cardswap::test
