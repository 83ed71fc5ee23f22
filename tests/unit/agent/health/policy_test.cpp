#include "agent/health/decisions/policy_yaml.h"

#include <gmock/gmock.h>

#include <boost/json.hpp>

#include "agent/health/sources/alert.h"
#include "migrator/base/error.h"
#include "migrator/base/utf8.h"

namespace cardswap::health {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

std::string failure_of(const std::string& text) {
  try {
    (void)policy_from_yaml(text, "p.yaml");
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Code::bad_request);
    return error.failure();
  }
  return "no failure";
}

TEST(HealthPolicy, OnlyObservesUnlessTold) {
  EXPECT_FALSE(policy_from_yaml("", "p").act);
  EXPECT_EQ(policy_from_yaml("", "p").moves_at_once, 2U);
  EXPECT_FALSE(policy_from_yaml("mode: observe", "p").act);
  EXPECT_TRUE(policy_from_yaml("mode: act", "p").act);
}

TEST(HealthPolicy, TakesTheLimitUnderItsOlderNameToo) {
  const std::string begin = "version: 1\nmigration: {";
  const auto limit_of = [&](const std::string& limits) {
    return policy_from_yaml(begin + limits + "}\n", "p").migration.max_stall_ms;
  };
  EXPECT_EQ(limit_of("max_stall: 40ms"), 40);
  EXPECT_EQ(limit_of("max_downtime: 40ms"), 40);
  EXPECT_THROW((void)limit_of("max_stall: 40ms, max_downtime: 40ms"), Error);
}

TEST(HealthPolicy, ReadsEverythingThatTheDocumentationShows) {
  const auto policy = policy_from_yaml(R"(
version: 1
mode: act
budget: {at_once: 4, per_hour: 20}
cooldown: {job: 1m, device: 2m}
retry: {after: 5s, tries: 2}
breaker: {failures: 4, devices_percent: 60, devices_min: 2, window: 3m, reset: 4m}
migration: {max_stall: 500ms, timeout: 5m, deadline: 20s, encrypt: true}
merge_window: 5s
resolve_after: 15m
spares: ["gpu-b:7070/cuda:0"]
stay: ["debug-*"]
devices:
  cuda:0: {uuid: GPU-1, pci: "00000000:3B:00.0"}
rules:
  - match: {code: "xid:63", device: "cuda:*"}
    action: alert
  - match: {code: "alert:Hot*", severity: critical, labels: {team: train}}
    action: migrate
    for: 30s
    resolve_after: 1m
probes:
  - {name: room, file: /run/room, every: 5s}
  - {name: fan, device: cuda:0, command: [/usr/bin/check_fan, --warn, "80"], timeout: 3s}
)",
                                       "p");
  EXPECT_TRUE(policy.act);
  EXPECT_EQ(policy.moves_at_once, 4U);
  EXPECT_EQ(policy.moves_per_hour, 20U);
  EXPECT_EQ(policy.job_cooldown, 60'000);
  EXPECT_EQ(policy.tries, 2U);
  EXPECT_EQ(policy.breaker_devices_percent, 60U);
  EXPECT_EQ(policy.migration.max_stall_ms, 500);
  EXPECT_TRUE(policy.migration.encrypt);
  EXPECT_EQ(policy.deadline, 20'000);
  EXPECT_THAT(policy.spares, ElementsAre("gpu-b:7070/cuda:0"));
  EXPECT_TRUE(policy.must_stay("debug-7"));
  EXPECT_FALSE(policy.must_stay("gpt"));
  ASSERT_THAT(policy.devices, SizeIs(1));
  EXPECT_EQ(policy.devices[0].pci, "0000:3b:00");
  ASSERT_THAT(policy.rules, SizeIs(2));
  EXPECT_EQ(policy.rules[1].hold, 30'000);
  EXPECT_EQ(policy.rules[1].line, 18);
  ASSERT_THAT(policy.probes, SizeIs(2));
  EXPECT_THAT(policy.probes[1].argv, ElementsAre("/usr/bin/check_fan", "--warn", "80"));
}

TEST(HealthPolicy, SaysInWhichLineItIsWrong) {
  EXPECT_THAT(failure_of("mode: act\nbudgte: {}\n"), HasSubstr("p.yaml:2: 'budgte' is no key"));
  EXPECT_THAT(failure_of("mode: maybe"), HasSubstr("p.yaml:1: 'maybe' is no mode"));
  EXPECT_THAT(failure_of("\n\nbudget:\n  at_once: 0"), HasSubstr("p.yaml:4: at_once"));
  EXPECT_THAT(failure_of("budget: {at_once: -1}"), HasSubstr("at_once"));
  EXPECT_THAT(failure_of("budget: {at_once: 99999999999}"), HasSubstr("at_once"));
  EXPECT_THAT(failure_of("rules:\n  - match: {code: x}\n    action: explode"),
              HasSubstr("p.yaml:3: 'explode' is no action"));
  EXPECT_THAT(failure_of("rules:\n  - action: drain"), HasSubstr("without a match"));
  EXPECT_THAT(failure_of("rules:\n  - match: {code: x}"), HasSubstr("changes nothing"));
  EXPECT_THAT(failure_of("rules: 3"), HasSubstr("must be a list"));
  EXPECT_THAT(failure_of("resolve_after: soon"), HasSubstr("p.yaml:1"));
  EXPECT_THAT(failure_of("a: [b"), HasSubstr("p.yaml:"));
  EXPECT_THAT(failure_of("mode: act\nmode: act"), HasSubstr("twice"));
  EXPECT_THAT(failure_of("probes:\n  - {name: x}"), HasSubstr("either a file or a command"));
  EXPECT_THAT(failure_of("probes:\n  - {name: x, command: [sh, -c, id]}"), HasSubstr("full path"));
  EXPECT_THAT(failure_of("probes:\n  - {name: x, file: /f, every: 1ms}"), HasSubstr("50 ms"));
  EXPECT_THAT(failure_of("devices: {cuda:0: {pci: nonsense}}"), HasSubstr("PCI"));
  EXPECT_THAT(failure_of(std::string(300'000, '#')), HasSubstr("over 256 KiB"));
  EXPECT_THAT(failure_of(std::string(50'000, '[')), HasSubstr("p.yaml"));
  EXPECT_THAT(failure_of(std::string("\0\xff\xfe", 3)), HasSubstr("p.yaml"));
}

TEST(HealthPolicy, ARulePrecedesTheTableButNeverMakesUntrustedMemoryCopied) {
  const auto policy = policy_from_yaml(
      "rules:\n"
      "  - {match: {code: 'xid:95'}, action: migrate}\n"
      "  - {match: {code: 'xid:63'}, action: ignore}\n"
      "  - {match: {code: 'alert:*', severity: critical}, action: migrate, for: 1s}\n",
      "p");
  Finding finding;
  finding.device = "cuda:0";
  finding.code = "xid:95";
  EXPECT_EQ(policy.judge(finding, {0}).action, PolicyAction::migrate);
  EXPECT_FALSE(policy.judge(finding, {0}).may_copy);
  finding.code = "row_remap:pending";  // the driver's XID 63
  EXPECT_EQ(policy.judge(finding, {0}).action, PolicyAction::ignore);
  finding.code = "alert:Hot";
  EXPECT_EQ(policy.judge(finding, {0}).action, PolicyAction::alert);
  finding.severity = Severity::critical;
  EXPECT_EQ(policy.judge(finding, {0}).action, PolicyAction::migrate);
  EXPECT_EQ(policy.judge(finding, {0}).hold, 1000);
}

Webhook webhook_of(const std::string& text) {
  return webhook_from(boost::json::parse(text).as_object());
}

TEST(Webhook, IsReadAsAlertmanagerWritesIt) {
  const auto webhook = webhook_of(R"({"version": "4", "groupKey": "{}:{}", "truncatedAlerts": 3,
    "status": "firing", "receiver": "cardswap", "groupLabels": {}, "commonLabels": {},
    "commonAnnotations": {}, "externalURL": "http://am", "notification_reason": "new one",
    "alerts": [{"status": "firing", "labels": {"alertname": "GpuSick", "UUID": "GPU-1",
      "severity": "critical", "xid": "63"}, "annotations": {"summary": "it is sick"},
      "startsAt": "2026-11-20T10:00:00Z", "endsAt": "0001-01-01T00:00:00Z",
      "generatorURL": "http://p", "fingerprint": "cafe"},
      {"status": "resolved", "labels": {}}]})");
  ASSERT_THAT(webhook.alerts, SizeIs(2));
  EXPECT_EQ(webhook.truncated, 3U);
  const auto& alert = webhook.alerts[0];
  EXPECT_EQ(alert.name, "GpuSick");
  EXPECT_TRUE(alert.firing);
  EXPECT_EQ(alert.fingerprint, "cafe");
  EXPECT_EQ(alert.severity, Severity::critical);
  EXPECT_EQ(alert.summary, "it is sick");
  EXPECT_EQ(code_of(alert), "xid:63");
  EXPECT_FALSE(webhook.alerts[1].firing);
  EXPECT_EQ(code_of(webhook.alerts[1]), "alert:unnamed");
}

TEST(Webhook, TakesWhatItUnderstandsOfOtherSendersAndCountsTheRest) {
  EXPECT_THROW((void)webhook_of("{}"), Error);
  EXPECT_THROW((void)webhook_of(R"({"version": "4"})"), Error);
  EXPECT_THAT(webhook_of(R"({"version": "4", "alerts": []})").strange, IsEmpty());
  EXPECT_THAT(webhook_of(R"({"version": "1", "alerts": [], "orgId": 1})").strange, IsEmpty());
  EXPECT_THAT(webhook_of(R"({"version": "5", "alerts": []})").strange, HasSubstr("'5'"));
  EXPECT_THAT(webhook_of(R"({"alerts": []})").strange, HasSubstr("no version"));
  const auto mixed = webhook_of(R"({"version": "4", "alerts": [1, {}, "x", null, {}]})");
  EXPECT_EQ(mixed.unreadable, 3U);
  EXPECT_THAT(mixed.alerts, SizeIs(2));
  std::string many;
  for (int i = 0; i < 5000; ++i) many += i == 0 ? "{}" : ",{}";
  EXPECT_THAT(webhook_of(R"({"version": "4", "alerts": [)" + many + "]}").alerts, SizeIs(5000));
}

TEST(Webhook, MakesHostileLabelsHarmless) {
  std::string labels;
  for (int i = 0; i < 500; ++i) labels += "\"l" + std::to_string(i) + "\": \"v\",";
  const auto webhook =
      webhook_of(R"({"version": "4", "alerts": [{"labels": {"alertname": ")" +
                 std::string(100'000, 'A') + R"(\u001b[2J", )" + labels +
                 R"("xid": "79; rm -rf /", "UUID": ["x"], "fingerprint": {}}, "annotations": 7,
                 "fingerprint": 9},
                 {"annotations": {"summary": "one\u001b[2J\ntwo"}}]})");
  const auto& alert = webhook.alerts.at(0);
  EXPECT_LE(alert.labels.size(), 128U);
  EXPECT_TRUE(alert.labels_cut);
  EXPECT_LE(alert.name.size(), 64U);
  EXPECT_THAT(alert.fingerprint, IsEmpty());
  EXPECT_THAT(code_of(alert), HasSubstr("alert:AAAA"));
  EXPECT_EQ(webhook.alerts.at(1).summary, "one\\x1b[2J\\ntwo");
}

TEST(Webhook, CutsANameInsideACharacterAndKeepsItText) {
  std::string name;
  for (int i = 0; i < 40; ++i) name += "\xe6\x98\xbe";  // byte 64 is inside the 22nd
  const auto webhook =
      webhook_of(R"({"version": "4", "alerts": [{"labels": {"alertname": ")" + name + "\"}}]}");
  EXPECT_EQ(webhook.alerts.at(0).name.size(), 64U);
  EXPECT_TRUE(is_utf8(webhook.alerts.at(0).name));
}

TEST(HealthPolicy, ChecksItsSparesAndDevicesWhenItIsRead) {
  const auto policy =
      policy_from_yaml("spares: [\"gpu-b\", \"gpu-b:7071\", \"[fd00::2]:7070/cuda:0\"]", "p");
  EXPECT_THAT(policy.spares, ElementsAre("gpu-b", "gpu-b:7071", "[fd00::2]:7070/cuda:0"));
  for (const auto* spare : {"gpu-b/", "/cuda:0", "gpu-b:x/cuda:0", "gpu-b/cuda", "gpu-b/gpu:0", "",
                            "gpu-b:7070/cuda:0/1", "a b"}) {
    EXPECT_THAT(failure_of("mode: act\nspares: [\"" + std::string(spare) + "\"]"),
                HasSubstr("p.yaml:2:"))
        << spare;
  }
  EXPECT_THAT(failure_of("devices: {gpu0: {uuid: GPU-1}}"), HasSubstr("'gpu0' is no device"));
  EXPECT_THAT(failure_of("devices: {cuda:0: {uuid: GPU-1}, cuda:1: {uuid: GPU-1}}"),
              HasSubstr("the same"));
}

}  // namespace
}  // namespace cardswap::health
