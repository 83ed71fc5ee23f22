/// Method: an agent, the real command, a trainer. The agent is told to choose the interval of its
/// snapshots itself; the migrations' records say what each has cost, and the interval is held
/// against them.

#include <algorithm>
#include <cmath>

#include "tests/integration/protected_job.h"

namespace cardswap::test {
namespace {

using ::testing::AnyOf;
using ::testing::HasSubstr;

class AutoInterval : public ProtectedJob {
 protected:
  [[nodiscard]] static boost::json::object interval_of(const Host& host) {
    const auto protection = protection_of(host);
    const auto* value = protection.if_contains("interval");
    return value != nullptr && value->is_object() ? value->get_object() : boost::json::object();
  }
  /// The interval, once the cost of so many snapshots is in it.
  [[nodiscard]] boost::json::object measured(const Host& host, double snapshots) const {
    boost::json::object interval;
    EXPECT_TRUE(within(60s, [&] {
      interval = interval_of(host);
      return !interval.empty() && number(interval, "measured") >= snapshots;
    })) << host.log();
    return interval;
  }
  /// What the job's snapshots have cost, by their migrations, the oldest first.
  [[nodiscard]] std::vector<double> costs() const {
    std::vector<double> all;
    const auto answer = host_.ask({"status"});
    for (const auto& one : answer.at("migrations").as_array()) {
      const auto& migration = one.as_object();
      const auto* result = migration.if_contains("result");
      if (result == nullptr || *result != "stored") continue;
      all.push_back(number(host_.ask({"status", text(migration, "id")}), "lost_ms"));
    }
    std::ranges::reverse(all);
    return all;
  }
};

TEST_F(AutoInterval, FollowsWhatASnapshotCostsTheJob) {
  start({}, kMany);
  protect("auto", {"--mtbf", "1m"});
  const auto interval = measured(host_, 2);
  const auto cost_ms = number(interval, "cost_ms");
  const auto snapshots = static_cast<std::size_t>(number(interval, "measured"));
  const auto by_record = costs();
  ASSERT_GE(by_record.size(), snapshots);
  double sum_ms = 0;
  for (std::size_t i = 0; i < snapshots; ++i) sum_ms += by_record[i];
  EXPECT_NEAR(cost_ms, sum_ms / static_cast<double>(snapshots), 0.01);
  EXPECT_GT(cost_ms, 0) << "the job has stood";

  const auto every_ms = number(interval, "every_ms");
  const auto wanted_ms =
      std::max({std::sqrt(2 * cost_ms * 60'000), number(interval, "stored_ms"), 1000.0});
  EXPECT_NEAR(every_ms, wanted_ms, wanted_ms / 3) << boost::json::serialize(interval);
  EXPECT_GE(every_ms, number(interval, "stored_ms"));
  EXPECT_THAT(text(interval, "reason"), AnyOf("cost", "shortest", "stored_time"));
  EXPECT_THAT(host_.command({"jobs", "job"}).out, HasSubstr("a snapshot costs "));
  EXPECT_TRUE(has_snapshot(4)) << host_.log();
  expect_undisturbed_so_far();
}

TEST_F(AutoInterval, IsKeptByTheNextAgentAndFollowsANewOrder) {
  start({}, kMany);
  protect("auto", {"--mtbf", "1m"});
  (void)measured(host_, 1);
  host_.kill_agent(SIGKILL);
  host_.start_agent();
  const auto kept = measured(host_, 1);
  EXPECT_EQ(number(kept, "mtbf_ms"), 60'000);
  protect("auto", {"--mtbf", "8784h"});
  ASSERT_TRUE(within(30s, [&] { return number(interval_of(host_), "mtbf_ms") > 60'000; }));
  EXPECT_GT(number(interval_of(host_), "every_ms"), 10 * number(kept, "every_ms"));
  EXPECT_GE(number(interval_of(host_), "measured"), number(kept, "measured"));
  EXPECT_THAT(host_.command({"jobs", "job"}).out, HasSubstr("a failure each 8784 h"));
  end_protection();
  expect_undisturbed_so_far();
}

/// The order leaves the time between failures to the agent, and each has one of its own.
TEST_F(AutoInterval, GoesByTheFailuresOfTheHostThatTheJobIsOn) {
  const Host other(dir_.path() / "b", {.name = "b", .more = {"--mtbf", "30m"}});
  start({}, kMany);
  protect("auto");
  EXPECT_EQ(number(measured(host_, 1), "mtbf_ms"), 86'400'000);
  const auto moved = host_.ask({"migrate", "job", "--to", other.at("cpu:0")});
  ASSERT_EQ(text(moved, "result"), "ok") << host_.log();
  // Right behind a move nothing is known of the job's pace, and so of what a snapshot costs there.
  EXPECT_TRUE(within(30s, [&] {
    const auto interval = interval_of(other);
    return !interval.empty() && number(interval, "mtbf_ms") == 1'800'000;
  })) << other.log();
  (void)other.ask({"stop", "job"});
  expect_undisturbed_so_far();
}

TEST_F(AutoInterval, IsRefusedATimeBetweenFailuresThatIsNone) {
  start({}, kMany);
  const auto refused = [&](const std::string& every, const std::string& mtbf) {
    const auto said =
        host_.command({"protect", "job", "--every", every, "--to", store(), "--mtbf", mtbf});
    EXPECT_NE(said.exit_code, 0) << said.out;
    return said.err;
  };
  EXPECT_THAT(refused("10m", "24h"), HasSubstr("--every auto only"));
  EXPECT_THAT(refused("auto", "none"), HasSubstr("--mtbf: 'none'"));
  EXPECT_THAT(refused("auto", "1s"), HasSubstr("mtbf_ms"));
  EXPECT_TRUE(protection_of(host_).empty());
}

}  // namespace
}  // namespace cardswap::test
