/// Method: an agent is scraped as Prometheus would, before, during and after migrations, and its
/// text is given to promtool. The families are compared with the dashboard, the alert rules and the
/// manual that are shipped.

#include <gmock/gmock.h>
#include <signal.h>

#include <boost/json.hpp>
#include <fstream>
#include <regex>
#include <set>

#include "tests/support/http.h"
#include "tests/support/needs.h"
#include "tests/support/scrape.h"

namespace cardswap::test {
namespace {

using namespace std::chrono_literals;
using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::StartsWith;

class Metrics : public ::testing::Test {
 protected:
  void start_job() {
    a_.run_job("job", {trainer("plain_memory"), "--steps", "100000", "--step-ms", "5"});
    ASSERT_TRUE(within(30s, [&] { return a_.step_of("job") >= 3; })) << a_.log();
  }
  static Scrape scrape(const Host& host) {
    return parse_scrape(ask_over_unix(host, {.target = "/metrics"}).content);
  }
  static double job_bytes(const Scrape& seen) {
    return seen[R"(cardswap_job_state_bytes{job="job",device="cpu:0"})"];
  }
  std::string file_with(const std::string& name, const std::string& text) const {
    const auto path = dir_.path() / name;
    std::ofstream(path) << text;
    return path.string();
  }

  TempDir dir_;
  Host a_{dir_.path() / "a", {.name = "a"}};
  Host b_{dir_.path() / "b", {.name = "b"}};
};

TEST_F(Metrics, TellOfAnAgentThatDoesNothingYet) {
  const auto answer = ask_over_tcp(a_, {.target = "/metrics"});
  EXPECT_EQ(answer.status, 200U);
  EXPECT_EQ(answer.content_type, "text/plain; version=0.0.4; charset=utf-8");
  const auto seen = parse_scrape(answer.content);
  EXPECT_EQ(seen.first("cardswap_build_info{"), 1);
  EXPECT_EQ(seen["cardswap_ready"], 1);
  EXPECT_EQ(seen[R"(cardswap_jobs{state="running"})"], 0);
  EXPECT_EQ(seen[R"(cardswap_migrations_total{outcome="failed",strategy="rounds"})"], 0);
  EXPECT_GT(seen.first("cardswap_device_memory_bytes{device=\"cpu:0\""), 0);
  EXPECT_GT(seen["process_resident_memory_bytes"], 1 << 20);
  EXPECT_GT(seen["process_open_fds"], 3);
  EXPECT_GT(seen["process_start_time_seconds"], 1.6e9);
}

/// Method: hold a migration in `syncing`, where its progress is there to be seen; let it go; look
/// at both hosts after it. Then one that is refused.
TEST_F(Metrics, FollowAMigration) {
  start_job();
  const auto before = scrape(a_);
  EXPECT_EQ(before[R"(cardswap_jobs{state="running"})"], 1);
  EXPECT_EQ(before["cardswap_runtime_connections"], 1);
  EXPECT_GT(before[R"(cardswap_job_step{job="job",device="cpu:0"})"], 0);
  EXPECT_EQ(before.first("cardswap_device_memory_reserved_bytes{"), job_bytes(before));
  EXPECT_GT(before["cardswap_journal_write_duration_seconds_count"], 0);
  EXPECT_EQ(before["cardswap_migrations_running"], 0);

  ASSERT_EQ(ask_over_unix(a_, {.method = "POST",
                               .target = "/v1/migrations",
                               .body = R"({"job":"job","to":")" + b_.at("cpu:0") +
                                       R"(","strategy":"rounds","failpoint":"syncing"})"})
                .status,
            202U);
  Scrape during;
  ASSERT_TRUE(within(30s, [&] {
    during = scrape(a_);
    return during.first(
               "cardswap_migration_info{job=\"job\",strategy=\"rounds\",state=\"syncing\"") == 1;
  })) << a_.log();
  EXPECT_EQ(during["cardswap_migrations_running"], 1);
  EXPECT_THAT(during.types, Contains(::testing::Key("cardswap_migration_remaining_bytes")));
  EXPECT_EQ(scrape(b_)[R"(cardswap_jobs{state="standby"})"], 1);
  EXPECT_EQ(scrape(b_)[R"(cardswap_reservations{state="parked"})"], 1);

  const auto list = a_.ask({"status"});
  const auto id = std::string(list.at("migrations").as_array().at(0).at("id").as_string());
  ASSERT_EQ(
      ask_over_unix(a_, {.method = "POST", .target = "/v1/migrations/" + id + "/proceed"}).status,
      200U);
  Scrape after;
  ASSERT_TRUE(within(30s, [&] {
    after = scrape(a_);
    return after[R"(cardswap_migrations_total{outcome="ok",strategy="rounds"})"] == 1;
  })) << a_.log();
  EXPECT_EQ(after["cardswap_migrations_running"], 0);
  EXPECT_EQ(after[R"(cardswap_jobs{state="moved"})"], 1);
  EXPECT_EQ(after[R"(cardswap_migration_downtime_seconds_count{strategy="rounds"})"], 1);
  EXPECT_GT(after[R"(cardswap_migration_downtime_seconds_sum{strategy="rounds"})"], 0);
  EXPECT_EQ(after[R"(cardswap_migration_duration_seconds_bucket{strategy="rounds",le="+Inf"})"], 1);
  EXPECT_EQ(after["cardswap_migration_downtime_predicted_over_measured_ratio_count"], 1);
  EXPECT_GE(after["cardswap_transferred_bytes_total"], job_bytes(before));
  EXPECT_EQ(scrape(b_)[R"(cardswap_jobs{state="running"})"], 1);

  EXPECT_NE(b_.command({"migrate", "job", "--to", a_.at("cpu:7")}).exit_code, 0);
  ASSERT_TRUE(within(
      10s, [&] { return scrape(b_)[R"(cardswap_migration_errors_total{code="refused"})"] == 1; }));
  // The journal has it, so a restart loses no count.
  a_.kill_agent(SIGTERM);
  a_.start_agent();
  EXPECT_EQ(scrape(a_)[R"(cardswap_migrations_total{outcome="ok",strategy="rounds"})"], 1);
}

TEST_F(Metrics, CountRequestsByRouteNeverByPath) {
  for (const auto* path :
       {"/v1/jobs/one", "/v1/jobs/two", "/v1/jobs/%0a%22", "/nothing", "/else"}) {
    EXPECT_EQ(ask_over_unix(a_, {.target = path}).status, 404U);
  }
  const auto answer = ask_over_unix(a_, {.target = "/metrics"});
  const auto seen = parse_scrape(answer.content);
  EXPECT_EQ(seen[R"(cardswap_api_requests_total{route="/v1/jobs/{name}",code="404"})"], 3);
  EXPECT_EQ(seen[R"(cardswap_api_requests_total{route="unknown",code="404"})"], 2);
  EXPECT_EQ(seen[R"(cardswap_api_request_duration_seconds_count{route="unknown"})"], 2);
  EXPECT_THAT(answer.content, ::testing::Not(HasSubstr("/v1/jobs/one")));
}

TEST_F(Metrics, AreCleanByPromtool) {
  if (std::string(PROMTOOL).empty())
    return skip_without("promtool", "promtool is not there: scripts/setup.sh");
  start_job();
  ASSERT_EQ(text(a_.ask({"migrate", "job", "--to", b_.at("cpu:0")}), "result"), "ok");
  const auto file = file_with("scrape", ask_over_unix(a_, {.target = "/metrics"}).content);
  const auto lint = run({"sh", "-c", std::string(PROMTOOL) + " check metrics <" + file});
  EXPECT_EQ(lint.exit_code, 0) << lint.out << lint.err;
  EXPECT_THAT(lint.out + lint.err, IsEmpty());
}

/// The families that a text speaks of, a histogram's series under its family.
std::set<std::string> families_in(const std::string& text) {
  static const std::regex kName(R"((cardswap|process)_[a-z0-9_]*[a-z0-9])");
  static const std::regex kSeries("_(bucket|sum|count)$");
  std::set<std::string> found;
  for (auto at = std::sregex_iterator(text.begin(), text.end(), kName);
       at != std::sregex_iterator(); ++at) {
    found.insert(std::regex_replace(at->str(), kSeries, ""));
  }
  return found;
}

TEST_F(Metrics, AreTheOnesThatDashboardAlertsAndManualName) {
  const auto types = scrape(a_).types;
  const auto dashboard = read_file(std::string(PACKAGING) + "/grafana/cardswap.json");
  boost::json::error_code error;
  EXPECT_TRUE(boost::json::parse(dashboard, error).is_object()) << error.message();
  std::string asked;
  const auto panels = boost::json::parse(dashboard).as_object().at("panels").as_array();
  for (const auto& panel : panels) {
    if (!panel.as_object().contains("targets")) continue;
    for (const auto& target : panel.at("targets").as_array()) {
      asked += std::string(target.at("expr").as_string()) + "\n";
    }
  }
  EXPECT_GT(families_in(asked).size(), 20U);
  const auto rules = read_file(std::string(PACKAGING) + "/prometheus/cardswap.rules.yml");
  for (const auto& name : families_in(asked + rules)) {
    EXPECT_TRUE(types.contains(name)) << name << " is asked for and does not exist";
  }
  const auto manual = read_file(std::string(DOCS) + "/operations.md");
  const auto table = manual.substr(manual.find("| metric |"),
                                   manual.find("packaging/prom") - manual.find("| metric |"));
  const auto documented = families_in(table);
  for (const auto& [name, type] : types) {
    EXPECT_TRUE(documented.contains(name)) << name << " is not in docs/operations.md";
  }
  for (const auto& name : documented)
    EXPECT_TRUE(types.contains(name)) << name << " does not exist";
}

TEST(AlertRules, AreCleanByPromtool) {
  if (std::string(PROMTOOL).empty())
    return skip_without("promtool", "promtool is not there: scripts/setup.sh");
  const auto checked =
      run({PROMTOOL, "check", "rules", std::string(PACKAGING) + "/prometheus/cardswap.rules.yml"});
  EXPECT_EQ(checked.exit_code, 0) << checked.out << checked.err;
}

TEST_F(Metrics, AliveAndReadyAreTwoQuestions) {
  EXPECT_EQ(ask_over_tcp(a_, {.target = "/healthz"}).status, 200U);
  EXPECT_EQ(ask_over_tcp(a_, {.target = "/readyz"}).status, 200U);

  // Another program holds the journal's lock: nothing can be written until it lets go.
  Child holder({"python3", "-c",
                "import signal, sqlite3, sys\n"
                "db = sqlite3.connect(sys.argv[1])\n"
                "db.execute('BEGIN IMMEDIATE')\n"
                "signal.pause()\n",
                (a_.dir() / "journal.db").string()},
               (dir_.path() / "holder.log").string());
  HttpResponse answer;
  EXPECT_TRUE(within(10s, [&] {
    answer = ask_over_tcp(a_, {.target = "/readyz"});
    return answer.status == 503;
  }));
  EXPECT_THAT(answer.content, HasSubstr("journal"));
  EXPECT_EQ(ask_over_tcp(a_, {.target = "/healthz"}).status, 200U);
  const auto seen = scrape(a_);
  EXPECT_EQ(seen["cardswap_ready"], 0);
  EXPECT_GT(seen["cardswap_journal_write_failures_total"], 0);

  holder.kill(SIGKILL);
  (void)holder.wait();
  EXPECT_TRUE(within(10s, [&] { return ask_over_tcp(a_, {.target = "/readyz"}).status == 200; }));
}

}  // namespace
}  // namespace cardswap::test
