/// Method: what the kernel's log, policies and NVML were like on other people's hosts, told to a
/// real agent. What is watched is what `cardswap health`, the events, /metrics and the jobs say.

#include <gmock/gmock.h>
#include <signal.h>

#include <boost/json.hpp>
#include <cstdlib>
#include <fstream>

#include "tests/support/health_host.h"

namespace cardswap::test {
namespace {

using namespace std::chrono_literals;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

constexpr auto kAct = "mode: act\n";
constexpr auto kXid79 = "NVRM: Xid (PCI:0000:3b:00): 79, pid=0, GPU has fallen off the bus.\n";

TEST(HealthKernelLog, IsReadAsLogDaemonsWriteIt) {
  const HealthHost host("");
  host.append("2026-02-14T05:03:42.123456+00:00 node7 kernel: " + std::string(kXid79));
  EXPECT_TRUE(host.told("cpu:0 xid:79")) << host.a->log();
  host.append(
      "May 27 16:50:10 node7 kernel: NVRM: Xid (PCI:0000:3b:00 GPU-I:05): 94, pid=7194, "
      "Contained: CE User Channel (0x9). RST: No, D-RST: No\n");
  EXPECT_TRUE(host.told("cpu:0 xid:94"));
  EXPECT_THAT(boost::json::serialize(host.health()), HasSubstr("MIG instance GPU-I:05: pid=7194"));
}

TEST(HealthKernelLog, TellsOfAGpuThatIsGoneWithoutAnXid) {
  const HealthHost host("");
  host.append(
      "[ 1843.308145] NVRM: The NVIDIA GPU 0000:3b:00.0\n"
      "               NVRM: (PCI ID: 10de:26b5) installed in this system has\n"
      "               NVRM: fallen off the bus and is not responding to commands.\n"
      "[ 1843.439662] NVRM: The NVIDIA probe routine failed for 1 device(s).\n");
  EXPECT_TRUE(host.told("cpu:0 xid:79"));
  EXPECT_TRUE(host.told("host driver:init_failed"));
  host.append("4,1291,98766003,-;NVRM: GPU 0000:3b:00.0: RmInitAdapter failed! (0x22:0x56:894)\n");
  EXPECT_TRUE(host.told("cpu:0 xid:143"));
}

TEST(HealthKernelLog, CountsAndTellsWhatItCannotPlace) {
  const HealthHost host("");
  host.append("12,1,2,-;" + std::string(kXid79) + "node7 trainer[7]: " + kXid79 +
              "May 27 16:50:10 node8 kernel: " + kXid79 + "@@@ " + kXid79 +
              "NVRM: words that nobody has seen\n");
  EXPECT_TRUE(host.told("kernel_line"));
  EXPECT_TRUE(host.told("it names host node8"));
  EXPECT_TRUE(host.told("the driver's words are not known"));
  const auto seen = host.scrape();
  EXPECT_EQ(seen[R"(cardswap_health_kernel_lines_total{outcome="not_kernel"})"], 2);
  EXPECT_EQ(seen[R"(cardswap_health_kernel_lines_total{outcome="other_host"})"], 1);
  EXPECT_EQ(seen[R"(cardswap_health_kernel_lines_total{outcome="unplaced"})"], 2);
  EXPECT_EQ(seen[R"(cardswap_health_kernel_lines_total{outcome="fault"})"], 0);
  EXPECT_THAT(host.events(), Not(HasSubstr("cpu:0 xid:79")));
}

TEST(HealthKernelLog, IsReadOnWhereAFormerAgentLeftIt) {
  const HealthHost host("");
  host.append("[ 1.0] usb 1-1: new device\n");
  ASSERT_TRUE(host.told("kernel_log: ok"));
  host.a->kill_agent(SIGTERM);
  host.append(kXid79);
  host.a->start_agent();
  EXPECT_TRUE(host.told("cpu:0 xid:79")) << host.a->log();
  EXPECT_EQ(host.a->command({"health"}).exit_code, 2);
  // It is not read a second time.
  EXPECT_EQ(host.a->command({"health", "--clear", "all", "--reason", "replaced"}).exit_code, 0);
  host.a->kill_agent(SIGKILL);
  host.a->start_agent();
  ASSERT_TRUE(within(
      10s, [&] { return host.scrape()["cardswap_health_source_up{source=\"kernel_log\"}"] == 1; }));
  host.append("4,1,2,-;NVRM: Xid (PCI:0000:3b:00): 31, x\n");
  EXPECT_TRUE(host.told("cpu:0 xid:31"));
  const auto events = host.events();
  EXPECT_EQ(events.find("finding        cpu:0 xid:79"),
            events.rfind("finding        cpu:0 xid:79"));
}

TEST(HealthPolicyOnDisk, MayNameASpareHostWithoutADevice) {
  const HealthHost host(kAct);
  const auto any = host.b.at("cpu:0").substr(0, host.b.at("cpu:0").find('/'));
  const HealthHost acts(kAct, any);
  // Its own b is not the spare: the other's is, any device of it.
  acts.train();
  acts.append("NVRM: Xid (PCI:0000:3b:00): 74, pid=1, name=x, NVLink\n");
  EXPECT_TRUE(acts.moved()) << acts.events();
  EXPECT_TRUE(host.b.steps_again_within("job", 10s));
}

TEST(HealthPolicyOnDisk, ThatNamesNoSpareIsRefusedWithItsLineAndCanBeChecked) {
  const TempDir dir;
  const auto file = (dir.path() / "p.yaml").string();
  std::ofstream(file) << "version: 1\nmode: act\nspares: [\"127.0.0.1:7395/\"]\n";
  const auto bad = run({CARDSWAPD, "--check-policy", file});
  EXPECT_EQ(bad.exit_code, 2);
  EXPECT_THAT(bad.err, AllOf(HasSubstr("p.yaml:3: "), HasSubstr("is no spare")));
  std::ofstream(file) << "version: 1\nmode: act\nspares: [\"127.0.0.1:7395\"]\n";
  const auto good = run({CARDSWAPD, "--check-policy", file});
  EXPECT_EQ(good.exit_code, 0) << good.err;
  EXPECT_THAT(good.out, HasSubstr("is good: mode act"));
}

TEST(HealthPolicyOnDisk, IsReadAgainOnSighupAndCordonsThenWhatItOnlySaidBefore) {
  const HealthHost host("mode: observe\n");
  host.train();
  host.append("NVRM: Xid (PCI:0000:3b:00): 64, pid=1, name=x, text\n");
  ASSERT_TRUE(host.told("would_cordon"));
  EXPECT_THAT(host.done(), IsEmpty());
  host.write_policy("mode: maybe\n");
  host.hang_up();
  EXPECT_TRUE(host.told("policy_refused"));
  EXPECT_THAT(host.done(), IsEmpty());
  host.write_policy(kAct);
  host.hang_up();
  EXPECT_TRUE(host.moved()) << host.events();
  EXPECT_THAT(host.done(), HasSubstr("health: xid:64 on cpu:0"));
  EXPECT_THAT(host.a->command({"health"}).out, HasSubstr("mode: act"));
}

TEST(HealthPolicyOnDisk, CordonsAfterARestartWhatItOnlySaidBefore) {
  const HealthHost host("mode: observe\n");
  host.append("NVRM: Xid (PCI:0000:3b:00): 64, pid=1, name=x, text\n");
  ASSERT_TRUE(host.told("would_cordon"));
  host.a->kill_agent(SIGTERM);
  host.write_policy(kAct);
  host.a->start_agent();
  EXPECT_TRUE(within(10s, [&] { return host.done().find("xid:64") != std::string::npos; }));
  EXPECT_EQ(host.scrape()[R"(cardswap_cordoned{device="cpu:0"})"], 1);
  const auto opened = host.a->command({"uncordon", host.a->at("cpu:0")});
  EXPECT_THAT(opened.out, HasSubstr("cpu:0 xid:64 is still open"));
}

TEST(HealthMoves, ThatHaveNoPlaceToGoWaitAndAreNoFailure) {
  const HealthHost host("mode: act\nbreaker: {failures: 1}\nretry: {after: 1s, tries: 1}\n");
  EXPECT_EQ(host.b.command({"cordon", host.b.at("cpu:0"), "--reason", "full"}).exit_code, 0);
  host.train();
  host.append("NVRM: Xid (PCI:0000:3b:00): 64, pid=1, name=x, text\n");
  EXPECT_TRUE(host.told("no device fits"));
  EXPECT_EQ(host.scrape()["cardswap_breaker_open"], 0);
  EXPECT_EQ(number(host.health().at("moves").as_object(), "last_hour"), 0);
  EXPECT_EQ(host.b.command({"uncordon", host.b.at("cpu:0")}).exit_code, 0);
  EXPECT_TRUE(host.moved()) << host.events();
}

TEST(HealthMoves, ThatFailOpenABreakerThatHealthShows) {
  HealthHost host("mode: act\nbreaker: {failures: 1}\nmigration: {timeout: 1ms}\n");
  host.train();
  host.append("NVRM: Xid (PCI:0000:3b:00): 63, pid=1, name=x, text\n");
  ASSERT_TRUE(host.told("breaker_open")) << host.events();
  const auto health = host.a->command({"health"});
  EXPECT_NE(health.exit_code, 0);
  EXPECT_THAT(health.out, AllOf(HasSubstr("breaker: OPEN since 20"), HasSubstr("1 move failed"),
                                HasSubstr("--close-breaker")));
  EXPECT_EQ(host.scrape()["cardswap_breaker_open"], 1);
  const auto closed = host.a->command({"health", "--close-breaker", "--reason", "seen"});
  EXPECT_EQ(closed.exit_code, 0);
  EXPECT_TRUE(host.told("by an operator: seen (uid "));
}

TEST(HealthSight, IsUnknownWhereNothingTellsOfAGpu) {
  const TempDir dir;
  const auto start = [&](const std::string& name, std::vector<std::string> more) {
    more.insert(more.end(), {"--nvml", "/no/such/library"});
    return std::make_unique<Host>(
        dir.path() / name,
        HostOptions{.name = name, .devices = {"cuda:0,memory=1GiB"}, .more = std::move(more)});
  };
  const auto blind = start("blind", {"--kernel-log", (dir.path() / "none").string()});
  EXPECT_TRUE(within(10s, [&] {
    return blind->command({"events"}).out.find("nvml: absent") != std::string::npos;
  }));
  const auto health = blind->command({"health"});
  EXPECT_EQ(health.exit_code, 3) << health.out;
  EXPECT_THAT(health.out,
              AllOf(HasSubstr("UNKNOWN: nothing tells of cuda:0"), HasSubstr("No such file")));
}

TEST(GpuInventory, ListsAGpuThatDoesNotTellItsMemoryOrItsName) {
  const TempDir dir;
  const auto script = (dir.path() / "nvml").string();
  std::ofstream(script) << "devices 3\nno_memory 0 3\nname 0 GB10\nno_name 1 3\n";
  ::setenv("STAND_IN_NVML", script.c_str(), 1);  // NOLINT(concurrency-mt-unsafe)
  const auto listed = run({CARDSWAPD, "--list-gpus", STAND_IN_NVML_LIBRARY});
  EXPECT_THAT(listed.out,
              AllOf(HasSubstr("gpu\t0\tGPU-stand-in-0\t0\tGB10\n"),
                    HasSubstr("gpu\t1\t\t2147483648\t\n"), HasSubstr("gpu\t2\tGPU-stand-in-2\t")));
  const auto asked = run({CARDSWAPD, "--data-dir", (dir.path() / "a").string(), "--listen",
                          "127.0.0.1:0", "--device", "cuda:0", "--nvml", STAND_IN_NVML_LIBRARY});
  EXPECT_EQ(asked.exit_code, 2);
  EXPECT_THAT(asked.err, AllOf(HasSubstr("GB10, GPU-stand-in-0"), HasSubstr("memory=SIZE")));
}

}  // namespace
}  // namespace cardswap::test
