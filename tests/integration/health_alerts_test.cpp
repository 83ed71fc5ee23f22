/// Method: an agent in mode act whose rules move jobs for any critical alert, and the alerts that a
/// receiver of a whole fleet gets: about other hosts, about nobody, a thousand at once, of other
/// senders. What is watched is that nothing moves without a proof, and that each alert is counted.

#include <gmock/gmock.h>
#include <signal.h>

#include <random>

#include "tests/support/health_host.h"

namespace cardswap::test {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr auto kActs =
    "mode: act\nrules:\n  - {match: {code: 'alert:NodeDown'}, action: drain}\n"
    "  - {match: {code: 'alert:*'}, action: migrate}\n";

std::string labels(const std::string& name, const std::string& more) {
  return R"("alertname":")" + name + R"(","severity":"critical")" + (more.empty() ? "" : ",") +
         more;
}

class HealthAlerts : public ::testing::Test {
 protected:
  double counted(const std::string& outcome) const {
    return host_.scrape()["cardswap_health_alerts_total{outcome=\"" + outcome + "\"}"];
  }
  HealthHost host_{kActs};
};

TEST_F(HealthAlerts, OfOtherHostsAndOfNobodyMoveNothing) {
  host_.train();
  std::string alerts;
  int not_ours = 0;
  for (const auto* more : {R"("cardswap_device":"cpu:0","node":"node8","instance":"node8:9400")",
                           R"("cardswap_device":"cpu:0","instance":"node8:9400")",
                           R"("cardswap_device":"cpu:0","HOSTNAME":"node8.cluster")",
                           R"("instance":"10.9.8.7:9100","job":"node")",
                           R"("instance":"[2001:db8::8]:9100")", R"("kubernetes_node":"node8")"}) {
    alerts += (alerts.empty() ? "" : ",") + alert_json(labels("NodeDown", more));
    ++not_ours;
  }
  int unclear = 0;
  for (const auto* more : {"", R"("cardswap_device":"cpu:0")", R"("instance":"localhost:9100")",
                           R"("node":"node8","Hostname":"node7")", R"("gpu":"0")"}) {
    alerts += "," + alert_json(labels("NodeDown", more));
    ++unclear;
  }
  const auto answer = host_.post(webhook_json(alerts));
  ASSERT_EQ(answer.status, 200U);
  EXPECT_EQ(number(answer.body, "taken"), 0);
  EXPECT_TRUE(host_.told("unclear_alert"));
  // The engine has looked since: an event that comes after it in its list is there.
  EXPECT_EQ(host_.post(webhook_json("")).status, 200U);
  EXPECT_TRUE(host_.a->steps_again_within("job", 5s));
  EXPECT_THAT(host_.done(), IsEmpty());
  EXPECT_EQ(counted("not_ours"), not_ours);
  EXPECT_EQ(counted("unclear"), unclear);
  EXPECT_EQ(counted("taken"), 0);
}

TEST_F(HealthAlerts, OfThisHostAreTakenThoughAnExportersPodIsNamedToo) {
  host_.train();
  const auto answer = host_.post(webhook_json(alert_json(labels(
      "NodeDown",
      R"("Hostname":"nvidia-dcgm-exporter-cwbcm","node":"node7","instance":"10.42.3.17:9400")"))));
  EXPECT_EQ(number(answer.body, "taken"), 1);
  EXPECT_TRUE(host_.moved()) << host_.events();
}

TEST_F(HealthAlerts, OfGrafanaAndOfUnknownVersionsAreTaken) {
  const auto sick = [](const std::string& xid) {
    return alert_json(R"("alertname":"GpuXid","UUID":")" + std::string(kFieldUuid) +
                          R"(","err_code":")" + xid + "\"",
                      "f" + xid);
  };
  EXPECT_EQ(host_.post(webhook_json(sick("95"), "1")).status, 200U);
  EXPECT_TRUE(host_.told("cpu:0 xid:95"));
  EXPECT_EQ(host_.post(webhook_json(sick("64") + ",7,\"x\"", "5")).status, 200U);
  EXPECT_TRUE(host_.told("cpu:0 xid:64"));
  EXPECT_TRUE(host_.told("the webhook's version '5' is not known"));
  EXPECT_EQ(counted("unreadable"), 2);
}

TEST_F(HealthAlerts, AreTakenFromAStormOfAnySizeAndATooLargeOneIsToBeRepeated) {
  std::string alerts;
  for (int i = 0; i < 6000; ++i) {
    alerts += alert_json(labels("GpuHot", R"("node":"node8")"), std::to_string(i)) + ",";
  }
  alerts += alert_json(labels("GpuHot", R"("UUID":")" + std::string(kFieldUuid) + "\""), "ours");
  ASSERT_GT(alerts.size(), 1U << 20);
  const auto answer = host_.post(webhook_json(alerts));
  EXPECT_EQ(answer.status, 200U) << answer.content;
  EXPECT_EQ(number(answer.body, "taken"), 1);
  EXPECT_TRUE(host_.told("cpu:0 alert:GpuHot"));
  EXPECT_EQ(counted("not_ours"), 6000);

  EXPECT_EQ(host_.post(std::string(12U << 20, ' ')).status, 503U);
  EXPECT_TRUE(host_.told("webhook_refused"));
  EXPECT_EQ(host_.post("{ this is none").status, 400U);
  EXPECT_EQ(host_.scrape()[R"(cardswap_health_webhooks_total{outcome="refused"})"], 2);
  EXPECT_THAT(host_.a->log(), HasSubstr("webhook_refused"));
}

TEST_F(HealthAlerts, AreKeptWhenTheyAreAnsweredEvenIfTheAgentDiesAtOnce) {
  ASSERT_EQ(host_.post(webhook_json(alert_json(labels("GpuHot", R"("node":"node7")")))).status,
            200U);
  host_.a->kill_agent(SIGKILL);
  host_.a->start_agent();
  EXPECT_THAT(host_.a->command({"health"}).out, HasSubstr("alert:GpuHot"));
}

/// Method: labels at random, none of which proves anything about this host.
TEST_F(HealthAlerts, WithoutAProofNeverMoveOrCordonAnything) {
  host_.train();
  std::mt19937 random(7);  // NOLINT: the same labels each time
  const std::vector<std::string> keys{
      "node",   "Hostname", "host",    "instance", "HOST", "nodename", "exported_instance",
      "server", "gpu",      "cluster", "pod"};
  const std::vector<std::string> values{
      "node8", "node8.cluster:9400", "10.9.8.7:9100", "node77", "", "localhost:9400",
      "0",     "dcgm-exporter-x7k2p"};
  constexpr int kAlerts = 3000;
  std::string alerts;
  for (int i = 0; i < kAlerts; ++i) {
    std::string more;
    for (std::size_t n = random() % 5; n > 0; --n) {
      more += (more.empty() ? "\"" : ",\"") + keys[random() % keys.size()] + "\":\"" +
              values[random() % values.size()] + "\"";
    }
    if (random() % 2 == 0)
      more += std::string(more.empty() ? "" : ",") + R"("cardswap_device":"cpu:0")";
    alerts += (i == 0 ? "" : ",") + alert_json(labels("NodeDown", more), std::to_string(i));
  }
  ASSERT_EQ(host_.post(webhook_json(alerts)).status, 200U);
  EXPECT_TRUE(host_.a->steps_again_within("job", 5s));
  EXPECT_THAT(host_.done(), IsEmpty());
  EXPECT_EQ(counted("taken"), 0);
  EXPECT_EQ(counted("not_ours") + counted("unclear"), kAlerts);
}

}  // namespace
}  // namespace cardswap::test
