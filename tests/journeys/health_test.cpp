// Health from the first look to the day on which it acts.

#include <gmock/gmock.h>
#include <signal.h>

#include <boost/json.hpp>
#include <fstream>

#include "tests/journeys/fleet_of_two.h"

namespace cardswap::test {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;

constexpr const char* kDevice =
    "devices: {\"cpu:0\": {uuid: GPU-95d4eaef-812a-5157-fec0-7d64667313dc, pci: "
    "\"0000:3b:00.0\"}}\nspares: [\"gpu-b:7070/cpu:0\"]\n";

class Health : public FleetOfTwo {
 protected:
  [[nodiscard]] std::vector<std::string> options_of_a() const override {
    write_policy("mode: observe\n");
    std::ofstream(kernel_log(), std::ios::app).flush();
    return {"--health-policy", policy().string(), "--kernel-log", kernel_log().string()};
  }
  [[nodiscard]] std::filesystem::path policy() const { return dir_.path() / "policy.yaml"; }
  [[nodiscard]] std::filesystem::path kernel_log() const { return dir_.path() / "kern.log"; }
  void write_policy(const std::string& more) const {
    std::ofstream(policy()) << "version: 1\n" << kDevice << more;
  }
  void fails(int xid) const {
    std::ofstream(kernel_log(), std::ios::app)
        << "NVRM: Xid (PCI:0000:3b:00): " << xid << ", pid=1, name=python, Ch 00000010\n";
  }
};

TEST_F(Health, ThatObservedCordonsAndMovesOnceItActs) {
  a_->run_trainer("job");
  fails(64);
  ASSERT_TRUE(within(20s, [&] {
    return boost::json::serialize(a_->ask({"events"})).find("xid:64") != std::string::npos;
  })) << a_->log();
  EXPECT_EQ(a_->state_of("job"), "running");
  EXPECT_FALSE(
      a_->ask({"devices"}).at("devices").as_array()[0].as_object().at("cordoned").as_bool());
  write_policy("mode: act\n");
  a_->stop_agent(SIGTERM);
  a_->start_agent();
  EXPECT_TRUE(within(60s, [&] { return b_->state_of("job") == "running"; })) << a_->log();
  EXPECT_TRUE(
      a_->ask({"devices"}).at("devices").as_array()[0].as_object().at("cordoned").as_bool());
}

TEST_F(Health, IsNotWellWhileItsBreakerIsOpen) {
  // No migration is over within a millisecond: each try fails.
  write_policy("mode: act\nbreaker: {failures: 1}\nmigration: {timeout: 1ms}\n");
  a_->stop_agent(SIGTERM);
  a_->start_agent();
  a_->run_trainer("job");
  fails(64);
  ASSERT_TRUE(within(60s, [&] {
    return boost::json::serialize(a_->ask({"events"})).find("breaker_open") != std::string::npos;
  })) << a_->log();
  const auto said = a_->command({"health"});
  EXPECT_NE(said.exit_code, 0) << said.out;
  // The fault alone would be no OK either.
  EXPECT_THAT(said.out, HasSubstr("breaker: OPEN since "));
  EXPECT_TRUE(a_->steps_again_within("job", 5s)) << a_->log();
}

}  // namespace
}  // namespace cardswap::test
