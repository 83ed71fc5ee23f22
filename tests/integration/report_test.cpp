/// Method: one migration moves a job, one is refused, one is cancelled. The report of each is read
/// as text, as JSON, as a page and as a trace, and again after the agent was killed and restarted.

#include <gmock/gmock.h>

#include <boost/json.hpp>
#include <csignal>

#include "tests/support/hosts.h"

namespace cardswap::test {
namespace {

using namespace std::chrono_literals;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

class Reports : public ::testing::Test {
 protected:
  void start() {
    a_.run_job("job", {trainer("plain_memory"), "--steps", "1000000", "--step-ms", "5", "--bytes",
                       "33554432", "--dirty-share", "0.1", "--loss-log", log_.string()});
    ASSERT_TRUE(within(30s, [&] { return a_.step_of("job") >= 3; })) << a_.log();
  }
  /// The migration of `job` to the other host, once it is over.
  std::string migrated(std::vector<std::string> more) {
    more.insert(more.begin(), {"migrate", "job", "--detach", "--to"});
    const auto id = text(a_.ask(more), "id");
    EXPECT_TRUE(within(30s, [&] { return !a_.ask({"status", id}).at("result").is_null(); }));
    return id;
  }
  [[nodiscard]] std::string file(const std::string& name) const {
    return (dir_.path() / name).string();
  }
  static std::vector<std::string> states_of(const boost::json::object& report) {
    std::vector<std::string> names;
    const auto states = report.at("states").as_array();
    for (const auto& state : states) names.push_back(text(state.as_object(), "name"));
    return names;
  }

  TempDir dir_;
  Host a_{dir_.path() / "a", {.name = "a"}};
  Host b_{dir_.path() / "b", {.name = "b"}};
  std::filesystem::path log_ = dir_.path() / "losses";
};

TEST_F(Reports, OfAMigrationAreTextAPageAndATrace) {
  start();
  const auto id = migrated({b_.at("cpu:0"), "--strategy", "rounds", "--bandwidth", "40MiB/s"});

  const auto words = a_.command({"report", id});
  EXPECT_EQ(words.exit_code, 0) << words.err;
  EXPECT_THAT(words.out, AllOf(HasSubstr("job job moved from a/cpu:0 to " + b_.at("cpu:0")),
                               HasSubstr("rounds (asked for)"), HasSubstr("downtime"),
                               HasSubstr("in the downtime: ")));

  // Ten steps after the move still count.
  ASSERT_TRUE(within(30s, [&] {
    return a_.ask({"status", id}).at("lost_is_final").as_bool();
  })) << a_.log();
  const auto report = a_.ask({"report", id});
  const auto& downtime = report.at("downtime").as_object();
  EXPECT_GT(number(downtime, "measured_ms"), 0);
  EXPECT_GT(number(downtime, "predicted_ms"), 0);
  EXPECT_EQ(states_of(report).back(), "completed");
  double bytes = 0;
  for (const auto& part : report.at("bytes").as_array()) bytes += number(part.as_object(), "bytes");
  EXPECT_EQ(bytes, number(report, "transferred"));
  const auto& samples = report.at("samples").as_array();
  ASSERT_GE(samples.size(), 5U);
  EXPECT_LE(samples.size(), 600U);
  EXPECT_GT(number(samples.back().as_object(), "step"),
            number(samples.front().as_object(), "step"));

  ASSERT_EQ(a_.command({"report", id, "--html", file("page"), "--trace", file("trace")}).exit_code,
            0);
  EXPECT_THAT(read_file(file("page")), AllOf(HasSubstr("<svg"), HasSubstr("downtime "),
                                             HasSubstr(id), Not(HasSubstr("<script"))));
  const auto trace = boost::json::parse(read_file(file("trace"))).as_object();
  EXPECT_GT(trace.at("traceEvents").as_array().size(), 20U);

  // What it was is known after a crash of the agent too, sample by sample.
  a_.kill_agent(SIGKILL);
  a_.start_agent();
  EXPECT_EQ(a_.ask({"report", id}), report);
}

TEST_F(Reports, GoToStdoutOrSayWhyTheyCannotBeWritten) {
  start();
  const auto id = migrated({b_.at("cpu:0")});
  const auto page = a_.command({"report", id, "--html", "-"});
  EXPECT_EQ(page.exit_code, 0);
  EXPECT_THAT(page.out, AllOf(::testing::StartsWith("<!DOCTYPE html>"), HasSubstr("</html>")));
  const auto nowhere = a_.command({"report", id, "--trace", file("no/such/folder")});
  EXPECT_EQ(nowhere.exit_code, 1);
  EXPECT_THAT(nowhere.err, AllOf(HasSubstr("cannot write "), HasSubstr("hint: ")));
  EXPECT_EQ(a_.command({"report", id, "--html", "-", "--trace", "-"}).exit_code, 2);
  EXPECT_EQ(a_.command({"report", "m-none"}).exit_code, 3);
}

TEST_F(Reports, OfAMigrationThatWasRefusedSayWhy) {
  start();
  const auto id = migrated({b_.at("cpu:7")});
  const auto words = a_.command({"report", id});
  EXPECT_EQ(words.exit_code, 0) << words.err;
  EXPECT_THAT(words.out,
              AllOf(HasSubstr("failed"), HasSubstr("cpu:7"), HasSubstr("goes on at a/cpu:0")));
  ASSERT_EQ(a_.command({"report", id, "--html", file("page"), "--trace", file("trace")}).exit_code,
            0);
  EXPECT_THAT(read_file(file("page")), HasSubstr("given up after"));
  EXPECT_TRUE(boost::json::parse(read_file(file("trace"))).is_object());
}

TEST_F(Reports, OfACancelledMigrationShowHowFarItCame) {
  start();
  const auto id = text(a_.ask({"migrate", "job", "--to", b_.at("cpu:0"), "--strategy", "rounds",
                               "--bandwidth", "4MiB/s", "--max-downtime", "1ms", "--detach"}),
                       "id");
  ASSERT_TRUE(within(20s, [&] {
    return number(a_.ask({"status", id}).at("progress").as_object(), "transferred") > 1 << 20;
  }));
  ASSERT_THAT(text(a_.ask({"report", id}), "headline"), HasSubstr("on its way"));
  ASSERT_EQ(a_.command({"cancel", id}).exit_code, 0);
  ASSERT_TRUE(within(10s, [&] { return !a_.ask({"status", id}).at("result").is_null(); }));
  const auto report = a_.ask({"report", id});
  EXPECT_EQ(text(report, "result"), "cancelled");
  EXPECT_GT(number(report, "transferred"), 1 << 20);
  EXPECT_TRUE(report.at("downtime").at("measured_ms").is_null());
  EXPECT_EQ(states_of(report).back(), "aborted");
  const auto& source = report.at("source").as_array();
  EXPECT_EQ(text(source.back().as_object(), "name"), "trains");
}

}  // namespace
}  // namespace cardswap::test
