// The link is cut when the source has committed and the target does not know it yet.

#include <gmock/gmock.h>

#include <boost/json.hpp>
#include <fstream>
#include <sstream>

#include "tests/journeys/fleet_of_two.h"
#include "tests/support/http.h"

namespace cardswap::test {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;

class InDoubt : public FleetOfTwo {
 protected:
  /// The migration's id; its source is in doubt when this returns.
  std::string cut_at_committed() {
    std::ofstream(losses()).put('\n');
    std::filesystem::permissions(losses(), std::filesystem::perms(0666));  // jobs are a user's
    a_->run_trainer("job", {"--loss-log", losses().string()});
    const auto id = text(a_->ask({"migrate", "job", "--to", "gpu-b/cpu:0", "--max-downtime", "none",
                                  "--hold-at", "committed", "--detach"}),
                         "id");
    EXPECT_TRUE(within(20s, [&] {
      return a_->ask({"status", id}).at("held").as_bool();
    })) << a_->log();
    a_->machine().unplug();
    EXPECT_EQ(
        a_->machine()
            .run({"curl", "-sf", "-X", "POST", "-H", "Content-Type: application/json", "-d", "{}",
                  "--unix-socket", (a_->machine().dir() / "data/cardswapd.sock").string(),
                  "http://localhost/v1/migrations/" + id + "/proceed"})
            .exit_code,
        0);
    EXPECT_TRUE(within(20s, [&] {
      return text(a_->ask({"status", id}), "state") == "in_doubt";
    })) << a_->log();
    return id;
  }
  [[nodiscard]] std::filesystem::path losses() const { return dir_.path() / "losses"; }
  /// By what the trainers of both hosts wrote to one file.
  void expect_each_step_once() const {
    std::istringstream lines(read_file(losses().string()));
    std::int64_t next = 0;
    for (std::string line; std::getline(lines, line);) {
      if (!line.starts_with("step ") || lines.eof()) continue;
      ASSERT_EQ(std::stoll(line.substr(5)), next) << "it stepped on both hosts, or on none";
      ++next;
    }
    EXPECT_GT(next, 0);
  }
  void expect_the_doubt_told() {
    EXPECT_EQ(a_->state_of("job"), "in_doubt");
    const auto listed = a_->command({"jobs"});
    EXPECT_THAT(listed.out, HasSubstr("gpu-b"));
    EXPECT_NE(a_->command({"health"}).exit_code, 0);
    EXPECT_THAT(boost::json::serialize(a_->ask({"events"})), HasSubstr("in_doubt"));
    const auto stopped = a_->command({"stop", "job"});
    EXPECT_NE(stopped.exit_code, 0) << "the only good copy may be here";
  }
};

TEST_F(InDoubt, EndsByItselfWhenTheLinkIsBack) {
  const auto id = cut_at_committed();
  expect_the_doubt_told();
  a_->machine().plug();
  EXPECT_TRUE(within(30s, [&] {
    return text(a_->ask({"status", id}), "state") == "completed";
  })) << a_->log();
  EXPECT_TRUE(b_->steps_again_within("job", 10s)) << b_->log();
  EXPECT_EQ(a_->state_of("job"), "moved");
  expect_each_step_once();
}

TEST_F(InDoubt, ForcedToTheTargetThereGoesOnThere) {
  const auto id = cut_at_committed();
  ASSERT_EQ(b_->command({"resolve", id, "--force", "target", "--yes"}).exit_code, 0) << b_->log();
  EXPECT_TRUE(b_->steps_again_within("job", 10s)) << b_->log();
  const auto at = a_->step_of("job");
  a_->machine().plug();
  EXPECT_TRUE(within(30s, [&] {
    return text(a_->ask({"status", id}), "state") == "completed";
  })) << a_->log();
  EXPECT_EQ(a_->state_of("job"), "moved");
  EXPECT_EQ(a_->step_of("job"), at) << "it stepped on both hosts";
  EXPECT_TRUE(b_->steps_again_within("job", 10s)) << b_->log();
  expect_each_step_once();
}

TEST_F(InDoubt, ForcedToBothLeavesOneThatStepsAndOneThatIsFrozenAndSaysSo) {
  const auto id = cut_at_committed();
  ASSERT_EQ(b_->command({"resolve", id, "--force", "target", "--yes"}).exit_code, 0) << b_->log();
  EXPECT_TRUE(b_->steps_again_within("job", 10s)) << b_->log();
  ASSERT_EQ(a_->command({"resolve", id, "--force", "source", "--yes"}).exit_code, 0) << a_->log();
  EXPECT_TRUE(a_->steps_again_within("job", 10s)) << a_->log();
  a_->machine().plug();
  EXPECT_TRUE(within(30s, [&] { return b_->state_of("job") != "running"; })) << b_->log();
  const auto frozen_at = b_->step_of("job");
  EXPECT_TRUE(a_->steps_again_within("job", 10s)) << a_->log();
  EXPECT_EQ(b_->step_of("job"), frozen_at);
  for (const auto* host : {&*a_, &*b_}) {
    EXPECT_THAT(boost::json::serialize(host->ask({"events"})), HasSubstr("two_epochs"))
        << host->log();
  }
}

}  // namespace
}  // namespace cardswap::test
