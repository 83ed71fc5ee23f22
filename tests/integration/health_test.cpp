/// Method: real agents, real trainers, and each source of health findings as it is met in the
/// field: a kernel log that the test writes, Alertmanager's webhook that the test posts, NVML as
/// the stand-in library of tests/stand_ins, a probe's file. What is watched is where the jobs are
/// and what the agent's event log says.

#include <gmock/gmock.h>

#include <boost/json.hpp>
#include <cstdlib>
#include <fstream>

#include "tests/support/hosts.h"
#include "tests/support/http.h"

namespace cardswap::test {
namespace {

namespace json = boost::json;
using namespace std::chrono_literals;
using ::testing::HasSubstr;
using ::testing::Not;

std::int64_t now_ms() {
  return std::chrono::system_clock::now().time_since_epoch() / std::chrono::milliseconds(1);
}

void append(const std::filesystem::path& file, const std::string& line) {
  std::ofstream(file, std::ios::app | std::ios::binary) << line << std::flush;
}

/// Written aside and renamed: a reader sees the old text or the new one.
void replace(const std::filesystem::path& file, const std::string& text) {
  const auto fresh = file.string() + ".new";
  std::ofstream(fresh) << text << std::flush;
  std::filesystem::rename(fresh, file);
}

std::string xid(int device, int number, const std::string& more = "pid=1, name=x, text") {
  return "NVRM: Xid (PCI:0000:0" + std::to_string(device) + ":00): " + std::to_string(number) +
         ", " + more + "\n";
}

/// Two hosts; the first has a health monitor with the test's policy and sources.
class Health : public ::testing::Test {
 protected:
  std::filesystem::path file(const std::string& name) const { return dir_.path() / name; }

  void start(const std::string& policy, std::vector<std::string> devices = {"cpu:0"},
             std::vector<std::string> more = {}) {
    b_ = std::make_unique<Host>(file("b"),
                                HostOptions{.name = "gpu-b",
                                            .devices = {"cpu:0", "cpu:1"},
                                            .more = {"--nvml", "none", "--kernel-log", "none"}});
    std::string names = "devices:\n";
    for (std::size_t i = 0; i < devices.size(); ++i) {
      names += "  " + devices[i] + ": {uuid: GPU-stand-in-" + std::to_string(i) +
               ", pci: \"0000:0" + std::to_string(i) + ":00.0\"}\n";
    }
    // On a busy machine a predicted downtime may stay above any limit.
    replace(file("policy.yaml"), "migration: {max_downtime: none}\nspares: [\"" + b_->at("cpu:0") +
                                     "\", \"" + b_->at("cpu:1") + "\"]\n" + names + policy);
    append(file("kmsg"), "");
    ::setenv("STAND_IN_NVML", file("nvml").c_str(), 1);  // NOLINT(concurrency-mt-unsafe)
    std::vector<std::string> options{"--health-policy", file("policy.yaml").string(),
                                     "--kernel-log", file("kmsg").string()};
    if (more.empty()) more = {"--nvml", "none"};
    options.insert(options.end(), more.begin(), more.end());
    a_ = std::make_unique<Host>(file("a"),
                                HostOptions{.name = "gpu-a", .devices = devices, .more = options});
  }
  void train(const std::string& name, const std::string& device = "cpu:0") {
    a_->run_job(name, {trainer("plain_memory"), "--steps", "100000", "--step-ms", "5"}, device);
    ASSERT_TRUE(within(20s, [&] { return a_->step_of(name) >= 3; })) << a_->log();
  }
  bool moved(const std::string& name) const {
    return within(20s, [&] { return text(a_->job(name), "state") == "moved"; });
  }
  [[nodiscard]] std::string events() const {
    const auto outcome = a_->command({"events", "--limit", "1000"});
    EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
    return outcome.out;
  }
  bool told(const std::string& part, std::chrono::milliseconds limit = 10s) const {
    return within(limit, [&] { return events().find(part) != std::string::npos; });
  }
  HttpResponse post(const std::string& body) const {
    return ask_over_tcp(*a_, {"POST", "/v1/alerts", body, {{"Content-Type", "application/json"}}});
  }
  static std::string alert(const std::string& name, const std::string& fingerprint,
                           const std::string& uuid, const std::string& status = "firing") {
    return R"({"status":")" + status + R"(","labels":{"alertname":")" + name +
           R"(","severity":"critical","UUID":")" + uuid +
           R"("},"annotations":{"summary":"by the test"},"startsAt":"2026-11-20T10:00:00Z",)" +
           R"("endsAt":"0001-01-01T00:00:00Z","fingerprint":")" + fingerprint + "\"}";
  }
  static std::string webhook(const std::string& alerts) {
    return R"({"version":"4","groupKey":"{}","status":"firing","receiver":"cardswap",)"
           R"("externalURL":"http://am","alerts":[)" +
           alerts + "]}";
  }
  [[nodiscard]] json::array migrations() const {
    return a_->ask({"status"}).at("migrations").as_array();
  }

  TempDir dir_;
  std::unique_ptr<Host> b_;
  std::unique_ptr<Host> a_;
};

constexpr auto kAct = "mode: act\n";
constexpr auto kActOnAlerts =
    "mode: act\nrules:\n  - {match: {code: 'alert:*', severity: critical}, action: migrate}\n";

TEST_F(Health, AnAlertMovesTheJobWithinASecondAndItTrainsOn) {
  start(kActOnAlerts);
  train("job");
  const auto posted = now_ms();
  EXPECT_EQ(post(webhook(alert("GpuSick", "f1", "GPU-stand-in-0"))).status, 200U);
  ASSERT_TRUE(moved("job")) << a_->log();
  const auto started = number(migrations().at(0).as_object(), "started_at_ms");
  const auto took = started - static_cast<double>(posted);
  std::cout << "alert_to_migration_ms " << took << "\n";
  RecordProperty("alert_to_migration_ms", std::to_string(took));
  EXPECT_LT(took, 1000);
  EXPECT_TRUE(b_->steps_again_within("job", 10s)) << b_->log();
  EXPECT_TRUE(told("moved"));
  const auto health = a_->command({"health"});
  EXPECT_EQ(health.exit_code, 2) << health.out;
  EXPECT_THAT(health.out, HasSubstr("CRITICAL: cpu:0 alert:GpuSick"));
}

TEST_F(Health, OnlyObservesByDefaultAndSaysWhatItWouldDo) {
  start("");
  train("job");
  append(file("kmsg"), xid(0, 64));
  EXPECT_TRUE(told("would_move")) << events();
  EXPECT_THAT(events(), HasSubstr(b_->at("cpu:0")));
  EXPECT_THAT(events(), HasSubstr("would_cordon"));
  EXPECT_TRUE(migrations().empty());
  EXPECT_TRUE(a_->steps_again_within("job", 5s));
}

TEST_F(Health, AKernelLineMovesTheJobAndOneThatAProcessWroteDoesNot) {
  start(kAct);
  train("job");
  append(file("kmsg"), "12,1,2,-;" + xid(0, 64));
  append(file("kmsg"), std::string(100'000, 'x') + "\n" + std::string("\0\xff\xfe\n", 4));
  append(file("kmsg"), xid(7, 64));  // a device that is not this agent's
  EXPECT_TRUE(told("not_ours"));
  EXPECT_TRUE(migrations().empty());
  append(file("kmsg"), "4,1,2,-;" + xid(0, 64));
  EXPECT_TRUE(moved("job")) << a_->log();
}

TEST_F(Health, ADeviceOffTheBusIsNotCopiedFromAndItsNeighboursLeaveLive) {
  start(kAct, {"cpu:0", "cpu:1"});
  train("victim", "cpu:0");
  train("neighbour", "cpu:1");
  append(file("kmsg"), xid(0, 79, "GPU has fallen off the bus."));
  EXPECT_TRUE(moved("neighbour")) << a_->log();
  EXPECT_TRUE(told("the device is gone: nothing can be copied from it"));
  EXPECT_TRUE(told("cannot be read"));
  EXPECT_EQ(migrations().size(), 1U);
  EXPECT_EQ(text(a_->job("victim"), "device"), "cpu:0");
  // It is remembered, and told, after a restart.
  a_->kill_agent(SIGKILL);
  a_->start_agent();
  EXPECT_EQ(a_->command({"health"}).exit_code, 2);
  EXPECT_EQ(a_->command({"health", "--clear", "cpu:0", "--reason", "replaced"}).exit_code, 0);
  EXPECT_EQ(a_->command({"health"}).exit_code, 0);
  EXPECT_THAT(events(), HasSubstr("by an operator: replaced"));
}

TEST_F(Health, MemoryThatIsNotTrustedIsNeverCopied) {
  start(kActOnAlerts);
  train("job");
  append(file("kmsg"), xid(0, 95));
  EXPECT_TRUE(told("must not be copied"));
  EXPECT_EQ(post(webhook(alert("GpuSick", "f1", "GPU-stand-in-0"))).status, 200U);
  EXPECT_TRUE(told("not_moved"));
  EXPECT_TRUE(migrations().empty());
}

TEST_F(Health, AStormOfAlertsStartsNoMoreMovesAtOnceThanTheBudget) {
  start(std::string(kActOnAlerts) +
            "budget: {at_once: 2, per_hour: 1000}\nbreaker: {devices_percent: 100}\n",
        {"cpu:0", "cpu:1", "cpu:2", "cpu:3"});
  for (int i = 0; i < 4; ++i) train("job" + std::to_string(i), "cpu:" + std::to_string(i));
  std::size_t most = 0;
  const auto look = [&] {
    std::size_t running = 0;
    for (const auto& item : migrations())
      running += item.as_object().at("result").is_null() ? 1 : 0;
    most = std::max(most, running);
  };
  for (int post_number = 0; post_number < 100; ++post_number) {
    std::string alerts;
    for (int i = 0; i < 10; ++i) {
      const auto number = std::to_string(10 * post_number + i);
      alerts += (i == 0 ? "" : ",") +
                alert("Storm" + std::to_string(i), number, "GPU-stand-in-" + std::to_string(i % 4));
    }
    ASSERT_EQ(post(webhook(alerts)).status, 200U);
    if (post_number % 10 == 0) look();
  }
  for (int i = 0; i < 4; ++i) {
    EXPECT_TRUE(within(30s, [&] {
      look();
      return text(a_->job("job" + std::to_string(i)), "state") == "moved";
    })) << a_->log();
  }
  // From the migrations' own times: how many ran at any start.
  std::size_t over = 0;
  const auto all = migrations();
  for (const auto& one : all) {
    const auto at = number(one.as_object(), "started_at_ms");
    std::size_t running = 0;
    for (const auto& other : all) {
      const auto ended = number(other.as_object(), "ended_at_ms");
      if (number(other.as_object(), "started_at_ms") <= at && (ended == 0 || ended > at)) ++running;
    }
    over += running > 2 ? running - 2 : 0;
  }
  std::cout << "storm_alerts 1000\nstorm_moves_over_budget " << over << "\n";
  EXPECT_EQ(over, 0U);
  EXPECT_LE(most, 2U);
  EXPECT_EQ(all.size(), 4U);
}

TEST_F(Health, OneFaultSeenByNvmlAndTheKernelIsOneFinding) {
  replace(file("nvml"), "devices 2\n");
  start(kAct, {"cpu:0", "cpu:1"}, {"--nvml", STAND_IN_NVML_LIBRARY});
  train("job", "cpu:1");
  ASSERT_TRUE(told("nvml: ok")) << a_->log();
  append(file("kmsg"), xid(1, 64));
  replace(file("nvml"), "devices 2\nevent 1 1 8 64\nremap 1 0 1\n");
  EXPECT_TRUE(told("saw it too")) << events();
  EXPECT_TRUE(moved("job"));
  EXPECT_EQ(migrations().size(), 1U);
}

TEST_F(Health, OneBadNvmlCallMarksItsDeviceAndNoOther) {
  replace(file("nvml"), "devices 2\n");
  start(kAct, {"cpu:0", "cpu:1"}, {"--nvml", STAND_IN_NVML_LIBRARY});
  ASSERT_TRUE(told("nvml: ok")) << a_->log();
  replace(file("nvml"), "devices 2\nwait_error 999\nerror 1 999\n");
  EXPECT_TRUE(told("cpu:1 nvml:no_answer")) << events();
  EXPECT_THAT(events(), Not(HasSubstr("cpu:0")));
  replace(file("nvml"), "devices 2\n");
  EXPECT_TRUE(told("quiet          cpu:1 nvml:no_answer")) << events();
  replace(file("nvml"), "devices 2\nerror 1 15\n");
  EXPECT_TRUE(told("cpu:1 xid:79")) << events();
}

TEST_F(Health, NvmlIsNotReadWhereItEndsItsProcess) {
  replace(file("nvml"), "devices 1\n");
  start(kAct, {"cpu:0"}, {"--nvml", STAND_IN_NVML_LIBRARY});
  ASSERT_TRUE(told("nvml: ok")) << a_->log();
  replace(file("nvml"), "exit\n");
  EXPECT_TRUE(told("nvml: failing: the process that asks it ended")) << events();
}

TEST_F(Health, TheDriversWishToDrainADeviceMovesItsJob) {
  replace(file("nvml"), "devices 1\n");
  start(kAct, {"cpu:0"}, {"--nvml", STAND_IN_NVML_LIBRARY});
  train("job");
  ASSERT_TRUE(told("nvml: ok")) << a_->log();
  replace(file("nvml"), "devices 1\nrecovery 0 4\nevent 1 0 32768 4\n");
  EXPECT_TRUE(moved("job")) << a_->log();
  EXPECT_THAT(events(), HasSubstr("recovery:drain_and_reset"));
}

TEST_F(Health, AProbeThatTurnsCriticalMovesTheJob) {
  append(file("probe"), "0 all well\n");
  start(
      "mode: act\nrules:\n  - {match: {code: 'probe:*', severity: critical}, action: migrate}\n"
      "probes:\n  - {name: fan, device: 'cpu:0', file: " +
      file("probe").string() +
      ", every: 50ms}\n  - {name: mute, command: [/bin/cat, /dev/zero], every: 1s, timeout: "
      "100ms}\n"
      "  - {name: gone, command: [/no/such], every: 1s}\n");
  train("job");
  EXPECT_TRUE(told("probe_failed:mute"));
  EXPECT_TRUE(told("probe_failed:gone"));
  replace(file("probe"), "1 slow\n");
  EXPECT_TRUE(told("cpu:0 probe:fan"));
  EXPECT_TRUE(migrations().empty());
  replace(file("probe"), "2 stands still\n");
  EXPECT_TRUE(moved("job")) << events();
}

TEST_F(Health, RefusesAWebhookThatIsNoneAndTakesHostileLabels) {
  start(kActOnAlerts);
  EXPECT_EQ(post("{}").code(), "bad_request");
  EXPECT_EQ(post(R"({"version":"4"})").code(), "bad_request");
  EXPECT_EQ(post("[").code(), "bad_request");
  EXPECT_EQ(number(post(webhook("7")).body, "unreadable"), 1);
  EXPECT_EQ(post(webhook(alert("$(reboot)\\u001b[2J; rm -rf /", "f", "' OR 1=1 --"))).status, 200U);
  EXPECT_EQ(post(webhook(alert("Elsewhere", "f", "GPU-of-another-host"))).status, 200U);
  EXPECT_EQ(a_->command({"health"}).exit_code, 0);
  EXPECT_THAT(events(), Not(HasSubstr("\x1b")));
}

TEST(HealthCommand, IsUnknownWhenNoAgentAnswers) {
  const auto outcome = run({CARDSWAP, "health", "127.0.0.1:1"});
  EXPECT_EQ(outcome.exit_code, 3);
  EXPECT_THAT(outcome.out, HasSubstr("UNKNOWN"));
}

TEST(HealthPolicyFile, IsRefusedWithItsLine) {
  const TempDir dir;
  append(dir.path() / "p.yaml", "mode: act\nbudgte: 3\n");
  const auto outcome = run({CARDSWAPD, "--data-dir", (dir.path() / "a").string(), "--listen",
                            "127.0.0.1:0", "--health-policy", (dir.path() / "p.yaml").string()});
  EXPECT_EQ(outcome.exit_code, 2);
  EXPECT_THAT(outcome.err, HasSubstr("p.yaml:2: 'budgte' is no key of the policy"));
}

}  // namespace
}  // namespace cardswap::test
