/// Method: Debian's Prometheus and Alertmanager, as an operator sets them up, next to two real
/// agents. Prometheus scrapes an exporter that is not there; its rule fires; Alertmanager posts the
/// alert to the agent, which moves a training job.

#include <gmock/gmock.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/json.hpp>
#include <fstream>

#include "tests/support/hosts.h"
#include "tests/support/needs.h"

namespace cardswap::test {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;

std::string free_port() {
  boost::asio::io_context context;
  using boost::asio::ip::tcp;
  const tcp::acceptor probe(context, {boost::asio::ip::address_v4::loopback(), 0});
  return std::to_string(probe.local_endpoint().port());
}

std::string program(const std::string& name) {
  const auto outcome = run({"which", name});
  return outcome.out.substr(0, outcome.out.find('\n'));
}

void write(const std::filesystem::path& file, const std::string& text) {
  std::ofstream(file) << text;
}

TEST(Alertmanager, ItsAlertMovesAJob) {
  const auto prometheus = program("prometheus");
  const auto alertmanager = program("prometheus-alertmanager");
  if (prometheus.empty() || alertmanager.empty()) {
    return skip_without("prometheus", "prometheus or prometheus-alertmanager is not installed");
  }
  const TempDir dir;
  const auto file = [&](const std::string& name) { return dir.path() / name; };
  Host b(file("b"), {.name = "gpu-b", .more = {"--nvml", "none", "--kernel-log", "none"}});
  write(file("policy.yaml"), "mode: act\nmigration: {max_downtime: none}\nspares: [\"" +
                                 b.at("cpu:0") +
                                 "\"]\ndevices: {\"cpu:0\": {uuid: GPU-under-test}}\nrules:\n"
                                 "  - {match: {code: 'alert:GpuExporterGone'}, action: migrate}\n");
  Host a(file("a"), {.name = "gpu-a",
                     .more = {"--nvml", "none", "--kernel-log", "none", "--health-policy",
                              file("policy.yaml").string()}});
  a.run_job("job", {trainer("plain_memory"), "--steps", "100000", "--step-ms", "5"});
  ASSERT_TRUE(within(20s, [&] { return a.step_of("job") >= 3; }));

  const auto manager_at = "127.0.0.1:" + free_port();
  write(file("am.yaml"),
        "route: {receiver: cardswap, group_wait: 0s, group_interval: 1s}\n"
        "receivers:\n  - name: cardswap\n    webhook_configs:\n      - url: http://127.0.0.1:" +
            std::to_string(a.port()) + "/v1/alerts\n        max_alerts: 0\n");
  write(file("rules.yaml"),
        "groups:\n  - name: gpu\n    rules:\n      - alert: GpuExporterGone\n"
        "        expr: up{job=\"dcgm\"} == 0\n"
        "        labels: {severity: critical, UUID: GPU-under-test}\n"
        "        annotations: {summary: the exporter does not answer}\n");
  write(file("prom.yaml"), "global: {scrape_interval: 1s, evaluation_interval: 1s}\nrule_files: [" +
                               file("rules.yaml").string() +
                               "]\nalerting: {alertmanagers: [{static_configs: [{targets: ['" +
                               manager_at +
                               "']}]}]}\nscrape_configs:\n  - job_name: dcgm\n    static_configs: "
                               "[{targets: ['127.0.0.1:1']}]\n");
  Child manager(
      {alertmanager, "--config.file", file("am.yaml").string(), "--storage.path",
       file("am").string(), "--web.listen-address", manager_at, "--cluster.listen-address="},
      file("am.log").string());
  Child server({prometheus, "--config.file", file("prom.yaml").string(), "--storage.tsdb.path",
                file("tsdb").string(), "--web.listen-address", "127.0.0.1:" + free_port()},
               file("prom.log").string());

  EXPECT_TRUE(within(60s, [&] { return text(a.job("job"), "state") == "moved"; }))
      << a.command({"events"}).out << read_file(file("am.log")) << read_file(file("prom.log"));
  EXPECT_TRUE(b.steps_again_within("job", 10s));
  EXPECT_THAT(a.command({"events"}).out, HasSubstr("alert:GpuExporterGone job"));
  EXPECT_EQ(a.command({"health"}).exit_code, 2);
}

}  // namespace
}  // namespace cardswap::test
