/// Method: as in snapshot_test.cpp; the link to the keeper has a cap, so that what the freeze has
/// copied takes seconds to be sent. Meanwhile the trainer is looked at, somebody ends, or another
/// snapshot is asked for.

#include <algorithm>

#include "tests/integration/snapshot_job.h"

namespace cardswap::test {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class CopiedSnapshots : public SnapshotJob {
 protected:
  static constexpr std::int64_t kSlow = 512 << 10;  // bytes a second: 6 s for the state
  static constexpr const char* kMany = "3000";      // steps: no test waits for its end

  [[nodiscard]] std::string begin(std::int64_t bandwidth) const {
    const boost::json::object body{{"job", "job"},         {"to", ""},
                                   {"store", store()},     {"max_stall_ms", nullptr},
                                   {"compression", "off"}, {"bandwidth", bandwidth}};
    const auto begun = ask_over_unix(
        host_,
        {.method = "POST", .target = "/v1/migrations", .body = boost::json::serialize(body)});
    EXPECT_EQ(begun.status, 202U) << begun.content;
    return text(begun.body, "id");
  }
  [[nodiscard]] boost::json::object status(const std::string& id) const {
    return host_.ask({"status", id});
  }
  [[nodiscard]] bool is_being_sent(const std::string& id) const {
    const auto now = status(id);
    return text(now, "state") == "verifying" &&
           number(now.at("progress").as_object(), "copied_bytes") > 0;
  }
  /// Waits until it is being sent from the copy, and the trainer has gone on.
  void await_the_copy(const std::string& id) const {
    ASSERT_TRUE(within(20s, [&] { return is_being_sent(id); })) << host_.log();
    ASSERT_TRUE(trains_on()) << host_.log();
    ASSERT_TRUE(is_being_sent(id)) << "it went on only when all was sent";
  }
  [[nodiscard]] std::string result_of(const std::string& id) const {
    std::string result;
    EXPECT_TRUE(within(30s, [&] {
      result = text(status(id), "result");
      return !result.empty();
    })) << host_.log();
    return result;
  }
  /// The job itself: its keeper has its name, too.
  [[nodiscard]] boost::json::object trainers_job() const {
    const auto all = ask_over_unix(host_, {.target = "/v1/jobs"});
    for (const auto& one : all.body.at("jobs").as_array()) {
      if (number(one.as_object(), "pid") == trainer_) return one.as_object();
    }
    return {};
  }
  [[nodiscard]] int keeper() const {
    for (const int pid : processes_of(dir_.path())) {
      const auto line = read_file("/proc/" + std::to_string(pid) + "/cmdline");
      if (line.substr(0, line.find('\0')).ends_with("cardswap-keeper")) return pid;
    }
    return 0;
  }
};

TEST_F(CopiedSnapshots, AreOfTheStepAtWhichTheJobStoodThoughItTrainsOnMeanwhile) {
  start({}, kMany);
  const auto id = begin(kSlow);
  ASSERT_NO_FATAL_FAILURE(await_the_copy(id));
  const auto job = trainers_job();
  ASSERT_FALSE(job.empty());
  EXPECT_EQ(text(job, "state"), "running");
  EXPECT_EQ(result_of(id), "stored");
  const auto taken = status(id);
  EXPECT_LT(number(taken, "migrated_at_step"), number(job, "step"));
  const auto progress = taken.at("progress").as_object();
  EXPECT_LT(number(progress, "transferred"), 1.02 * number(progress, "total")) << "once";
  EXPECT_EQ(host_.command({"verify", store()}).exit_code, 0);
  kill_trainer();
  const auto back = restored();
  EXPECT_EQ(text(back, "result"), "ok") << host_.log();
  EXPECT_EQ(text(back, "root"), text(taken, "root"));
  EXPECT_EQ(number(back, "migrated_at_step"), number(taken, "migrated_at_step"));
  EXPECT_TRUE(trains_on()) << host_.log();
  expect_undisturbed_so_far();
}

TEST_F(CopiedSnapshots, OfAKeeperThatIsKilledMeanwhileAreNoneAndTheJobTrainsOn) {
  start({}, kMany);
  const auto id = begin(kSlow);
  ASSERT_NO_FATAL_FAILURE(await_the_copy(id));
  const auto pid = keeper();
  ASSERT_NE(pid, 0);
  ASSERT_EQ(::kill(pid, SIGKILL), 0);
  EXPECT_EQ(result_of(id), "failed");
  EXPECT_THAT(history(), IsEmpty());
  EXPECT_TRUE(trains_on()) << host_.log();
  expect_nothing_left();
  EXPECT_EQ(text(snapshot(), "result"), "stored") << "the next one";
  expect_undisturbed_so_far();
}

TEST_F(CopiedSnapshots, OfAnAgentThatIsKilledMeanwhileAreNoneAndTheJobTrainsOn) {
  start({}, kMany);
  const auto id = begin(kSlow);
  ASSERT_NO_FATAL_FAILURE(await_the_copy(id));
  host_.kill_agent(SIGKILL);
  EXPECT_TRUE(trains_on());
  host_.start_agent();
  EXPECT_EQ(result_of(id), "failed");
  EXPECT_THAT(history(), IsEmpty());
  expect_nothing_left();
  EXPECT_TRUE(within(10s, [&] { return host_.job("job").at("attached").as_bool(); }));
  EXPECT_EQ(text(snapshot(), "result"), "stored") << "the next one";
  expect_undisturbed_so_far();
}

TEST_F(CopiedSnapshots, AreOneAtATimeAndMayBeCancelled) {
  start({}, kMany);
  const auto id = begin(kSlow);
  ASSERT_NO_FATAL_FAILURE(await_the_copy(id));
  const auto another = host_.command({"snapshot", "job", "--to", store(), "--no-wait"});
  EXPECT_NE(another.exit_code, 0) << another.out;
  EXPECT_THAT(another.err, HasSubstr("job job is being kept by migration " + id));
  EXPECT_EQ(host_.command({"cancel", id}).exit_code, 0);
  EXPECT_EQ(result_of(id), "cancelled");
  EXPECT_THAT(history(), IsEmpty());
  EXPECT_TRUE(trains_on()) << host_.log();
  expect_nothing_left();
}

TEST_F(CopiedSnapshots, StandForWhatTheirMemoryHasNoRoomFor) {
  start_program({"env", "CARDSWAP_SNAPSHOT_MEMORY=1MiB", trainer("plain_memory"), "--bytes", kBytes,
                 "--steps", kMany},
                {"--step-ms", "10"});
  const auto taken = snapshot();
  EXPECT_EQ(text(taken, "result"), "stored");
  const auto progress = taken.at("progress").as_object();
  EXPECT_EQ(number(progress, "copied_bytes"), 1 << 20);
  EXPECT_GE(number(progress, "bytes_in_downtime"), 1'900'000);
  EXPECT_EQ(host_.command({"verify", store()}).exit_code, 0);
  EXPECT_TRUE(trains_on()) << host_.log();
}

}  // namespace
}  // namespace cardswap::test
