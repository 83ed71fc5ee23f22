/// Method: an agent whose kernel log the test writes, and a protected trainer on a device that, as
/// the log says, has fallen off the bus. Where the trainer is then, its losses, and the agent's
/// event log tell what was done.

#include "tests/integration/protected_job.h"

namespace cardswap::test {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class HealthRecovery : public ::testing::Test {
 protected:
  using Words = std::vector<std::string>;

  [[nodiscard]] std::string file(const std::string& name) const {
    return (dir_.path() / name).string();
  }
  void start(const std::string& mode, const std::string& steps) {
    std::ofstream(file("policy.yaml"))
        << "mode: " << mode << "\nmigration: {max_stall: none}\ndevices:\n"
        << "  cpu:0: {uuid: GPU-stand-in-0, pci: \"0000:00:00.0\"}\n"
        << "  cpu:1: {uuid: GPU-stand-in-1, pci: \"0000:01:00.0\"}\n"
        << std::flush;
    std::ofstream(file("kmsg")) << std::flush;
    host_ = std::make_unique<Host>(
        dir_.path() / "a", HostOptions{.name = "a",
                                       .devices = {"cpu:0", "cpu:1"},
                                       .more = {"--health-policy", file("policy.yaml"),
                                                "--kernel-log", file("kmsg"), "--nvml", "none"}});
    program_ = {trainer("plain_memory"), "--bytes", "3000000", "--steps", steps};
    auto argv = program_;
    argv.insert(argv.end(), {"--step-ms", "10", "--loss-log", file("losses")});
    host_->run_job("job", argv);
    ASSERT_TRUE(within(30s, [&] { return host_->step_of("job") >= 5; })) << host_->log();
  }
  void protect() const {
    (void)host_->ask(
        {"protect", "job", "--every", "40", "--to", "file:" + file("store"), "--keep", "all"});
    ASSERT_TRUE(within(60s, [&] {
      const auto record = job();
      const auto* order = record.if_contains("protection");
      return order != nullptr && order->is_object() && !order->at("last").is_null();
    })) << host_->log();
  }
  [[nodiscard]] boost::json::object job() const {
    return ask_over_unix(*host_, {.target = "/v1/jobs/job"}).body;
  }
  void fall_off_the_bus() const {
    std::ofstream(file("kmsg"), std::ios::app)
        << "NVRM: Xid (PCI:0000:00:00): 79, pid=1, name=x, GPU has fallen off the bus.\n"
        << std::flush;
  }
  [[nodiscard]] bool told(const std::string& part) const {
    return within(30s, [&] { return events().find(part) != std::string::npos; });
  }
  [[nodiscard]] std::string events() const {
    return host_->command({"events", "--limit", "1000"}).out;
  }

  TempDir dir_;
  NothingOutlives guard_{dir_.path()};
  Words program_;
  std::unique_ptr<Host> host_;
};

TEST_F(HealthRecovery, GoesOnBesideADeviceThatIsGone) {
  start("act", "700");
  ASSERT_NO_FATAL_FAILURE(protect());
  fall_off_the_bus();
  ASSERT_TRUE(told("recovered")) << events() << host_->log();
  EXPECT_EQ(text(job(), "device"), "cpu:1");
  EXPECT_THAT(events(), HasSubstr("xid:79 on cpu:0"));
  ASSERT_TRUE(within(60s, [&] { return text(job(), "state") == "ended"; })) << host_->log();
  EXPECT_EQ(test::told(losses(file("losses"))), test::told(undisturbed(program_)));
}

TEST_F(HealthRecovery, IsOnlyToldOfWhereTheMonitorObserves) {
  start("observe", "3000");
  ASSERT_NO_FATAL_FAILURE(protect());
  const auto pid = number(job(), "pid");
  fall_off_the_bus();
  EXPECT_TRUE(told("would_recover")) << events();
  EXPECT_THAT(events(), HasSubstr("a/cpu:1 from its newest snapshot"));
  EXPECT_EQ(number(job(), "pid"), pid);
  EXPECT_EQ(text(job(), "state"), "running");
  EXPECT_THAT(events(), Not(HasSubstr("recovering")));
}

TEST_F(HealthRecovery, LeavesAJobAloneThatIsNotProtectedAndSaysWhatWouldHaveHelped) {
  start("act", "3000");
  const auto pid = number(job(), "pid");
  fall_off_the_bus();
  EXPECT_TRUE(told("cardswap protect")) << events();
  EXPECT_EQ(number(job(), "pid"), pid);
}

}  // namespace
}  // namespace cardswap::test
