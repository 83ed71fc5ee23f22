/// Method: as in snapshot_protect_test.cpp; a snapshot or a move of the job is kept from its end,
/// by a stopped keeper or a failpoint. `cardswap snapshot` is asked for another one then, in a
/// process of its own, and what it prints, how it ends and the store tell what became of it.

#include <algorithm>

#include "tests/integration/protected_job.h"

namespace cardswap::test {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::SizeIs;

class WaitingSnapshots : public ProtectedJob {
 protected:
  [[nodiscard]] Child command(const Words& words) const {
    std::filesystem::remove(path("printed"));
    const auto agent = (host_.dir() / "cardswapd.sock").string();
    Words argv{CARDSWAP, "--agent", agent};
    argv.insert(argv.end(), words.begin(), words.end());
    return {argv, path("printed")};
  }
  [[nodiscard]] Child asked(const Words& more = {}) const {
    Words words{"snapshot", "job", "--to", store()};
    words.insert(words.end(), more.begin(), more.end());
    return command(words);
  }
  [[nodiscard]] std::string printed() const { return read_file(path("printed")); }
  [[nodiscard]] bool waits_for(const std::string& migration) const {
    return within(20s, [&] {
      return printed().find("job job is in migration " + migration + " to ") != std::string::npos;
    });
  }

  /// A move of the job that stands still.
  void hold_a_move(std::string& id) const {
    id = text(host_.ask({"migrate", "job", "--to", host_.at("cpu:1"), "--hold-at", "standby_ready",
                         "--detach"}),
              "id");
    ASSERT_TRUE(within(20s, [&] { return host_.ask({"status", id}).at("held").as_bool(); }));
  }
  /// The id of the snapshot that is being taken; empty: none is.
  [[nodiscard]] std::string running_snapshot() const {
    const auto all = host_.ask({"status"});
    for (const auto& one : all.at("migrations").as_array()) {
      const auto& migration = one.as_object();
      if (migration.at("result").is_null() && !text(migration, "store").empty()) {
        return text(migration, "id");
      }
    }
    return {};
  }
  /// Stops the keeper of the snapshot that is being taken.
  void stop_a_keeper(int& stopped, std::string& migration) const {
    ASSERT_TRUE(within(30s, [&] {
      stopped = 0;
      for (const int pid : processes_of(dir_.path())) {
        const auto line = read_file("/proc/" + std::to_string(pid) + "/cmdline");
        if (line.substr(0, line.find('\0')).ends_with("cardswap-keeper")) stopped = pid;
      }
      if (stopped == 0 || ::kill(stopped, SIGSTOP) != 0) return false;
      migration = running_snapshot();
      if (migration.empty()) (void)::kill(stopped, SIGCONT);
      return !migration.empty();
    })) << host_.log();
  }
};

TEST_F(WaitingSnapshots, AreTakenAfterThatOfTheProtection) {
  start({}, kMany);
  protect("1s", {"--keep", "all"});
  ASSERT_TRUE(has_snapshot(1)) << host_.log();
  int keeper = 0;
  std::string other;
  ASSERT_NO_FATAL_FAILURE(stop_a_keeper(keeper, other));
  const auto refused = host_.command({"snapshot", "job", "--to", store(), "--no-wait"});
  EXPECT_EQ(refused.exit_code, 3);
  EXPECT_THAT(refused.err, HasSubstr("job job is being kept by migration " + other));
  auto command = asked({"--tag", "mine"});
  ASSERT_TRUE(waits_for(other)) << printed();
  EXPECT_FALSE(command.ended());
  ASSERT_EQ(::kill(keeper, SIGCONT), 0);
  EXPECT_EQ(command.wait(), 0) << printed() << host_.log();
  EXPECT_THAT(printed(), HasSubstr("is snapshot "));
  end_protection();
  EXPECT_EQ(host_.command({"show", "job:mine", "--store", store()}).exit_code, 0);
  EXPECT_NE(text(host_.ask({"status", other}), "result"), "cancelled") << "it was given up";
  expect_undisturbed_so_far();
}

TEST_F(WaitingSnapshots, AreTakenAfterAMove) {
  start({}, kMany);
  std::string move;
  ASSERT_NO_FATAL_FAILURE(hold_a_move(move));
  auto command = asked();
  ASSERT_TRUE(waits_for(move)) << printed();
  EXPECT_FALSE(command.ended());
  EXPECT_EQ(
      ask_over_unix(host_, {.method = "POST", .target = "/v1/migrations/" + move + "/proceed"})
          .status,
      200U);
  EXPECT_EQ(command.wait(), 0) << printed() << host_.log();
  EXPECT_EQ(text(host_.ask({"status", move}), "result"), "ok");
  const auto all = history();
  ASSERT_THAT(all, SizeIs(1));
  EXPECT_GT(number(all.at(0).as_object(), "epoch"), 1) << "of the job where it is now";
  expect_undisturbed_so_far();
}

TEST_F(WaitingSnapshots, EndAtTheirLimitAndWithASignal) {
  start({}, kMany);
  std::string move;
  ASSERT_NO_FATAL_FAILURE(hold_a_move(move));
  auto limited = asked({"--timeout", "1s"});
  EXPECT_EQ(limited.wait(), 4) << printed();
  EXPECT_THAT(printed(), AllOf(HasSubstr("no snapshot of job job was begun within 1.0 s"),
                               HasSubstr("migration " + move + " of it is standby_ready")));
  for (const int signal : {SIGINT, SIGTERM}) {
    auto command = asked();
    ASSERT_TRUE(waits_for(move)) << printed();
    command.kill(signal);
    EXPECT_EQ(command.wait(), 128 + signal) << printed();
    EXPECT_THAT(printed(), HasSubstr("before a snapshot of job job had begun"));
  }
  EXPECT_EQ(host_.command({"cancel", move}).exit_code, 0);
  EXPECT_TRUE(running_snapshot().empty());
  EXPECT_FALSE(std::filesystem::exists(path("store")));
  expect_nothing_left();
}

/// The job is to be stopped behind its last snapshot, which a signal gives up.
TEST_F(WaitingSnapshots, AreGivenUpBeforeAStopWithASignal) {
  start({}, kMany);
  auto stop = command({"stop", "job", "--snapshot", "--to", store()});
  int keeper = 0;
  std::string snapshot;
  ASSERT_NO_FATAL_FAILURE(stop_a_keeper(keeper, snapshot));
  stop.kill(SIGTERM);
  EXPECT_EQ(stop.wait(), 4) << printed();
  EXPECT_THAT(printed(), HasSubstr("job job trains on, because its last snapshot failed"));
  EXPECT_EQ(text(host_.ask({"status", snapshot}), "result"), "cancelled");
  EXPECT_TRUE(trains_on()) << host_.log();
  expect_nothing_left();
}

/// A drain is as patient as `snapshot`.
TEST_F(WaitingSnapshots, AreTakenByADrainAfterThatOfTheProtection) {
  start({}, kMany);
  protect("1s", {"--keep", "all"});
  ASSERT_TRUE(has_snapshot(1)) << host_.log();
  int keeper = 0;
  std::string other;
  ASSERT_NO_FATAL_FAILURE(stop_a_keeper(keeper, other));
  auto drain =
      command({"drain", "127.0.0.1:" + std::to_string(host_.port()), "--policy", "snapshot-only"});
  ASSERT_TRUE(within(20s, [&] {
    return host_.command({"devices"}).out.find("cordoned") != std::string::npos;
  })) << printed();
  EXPECT_FALSE(drain.ended());
  ASSERT_EQ(::kill(keeper, SIGCONT), 0);
  EXPECT_EQ(drain.wait(), 0) << printed() << host_.log();
  EXPECT_THAT(printed(), HasSubstr("cardswap restore job@"));
  EXPECT_EQ(text(host_.ask({"status", other}), "result"), "stored");
  EXPECT_EQ(text(record_of(host_), "state"), "stopped");
}

/// What ends by itself is waited for; what does not is refused as before.
TEST_F(WaitingSnapshots, AreRefusedWhereThereIsNothingToWaitFor) {
  start({}, kMany);
  kill_trainer();
  const auto refused = host_.command({"snapshot", "job", "--to", store()});
  EXPECT_EQ(refused.exit_code, 3);
  EXPECT_THAT(refused.err, HasSubstr("only a running job can move"));
}

TEST_F(WaitingSnapshots, SayThatTheirTagIsMissing) {
  start({}, kMany);
  (void)snapshot();
  std::filesystem::create_directories(path("store/jobs/job"));
  std::ofstream(path("store/jobs/job/tags")).put('\n');
  const auto taken = snapshot({"--tag", "mine"});
  EXPECT_EQ(text(taken, "result"), "stored");
  EXPECT_THAT(text(taken, "tag_error"), HasSubstr("tags/mine"));
  const auto said = host_.command({"snapshot", "job", "--to", store(), "--tag", "mine"});
  EXPECT_EQ(said.exit_code, 0) << said.err;
  EXPECT_THAT(said.out, HasSubstr("warning: it has not the tag mine: "));
  EXPECT_THAT(host_.command({"snapshot", "job", "--to", store()}).out, Not(HasSubstr("warning")));
  std::filesystem::remove(path("store/jobs/job/tags"));
  EXPECT_THAT(history(), SizeIs(4));
}

/// It is another job than the one that was protected.
TEST_F(WaitingSnapshots, AreTakenOfARestoredJobWhereThatIsAskedFor) {
  start({}, kMany);
  (void)snapshot();
  const auto runs =
      host_.command({"restore", "job@latest", "--store", store(), "--protect-every", "off"});
  EXPECT_EQ(runs.exit_code, 2) << "before anything is begun: " << runs.err;
  kill_trainer();
  const auto hinted = host_.command({"restore", "job@latest", "--store", store(), "--as", "plain"});
  EXPECT_EQ(hinted.exit_code, 0) << hinted.err;
  EXPECT_THAT(hinted.err, HasSubstr("not protected: `cardswap protect plain --every 100 --to " +
                                    store() + "`"));
  const auto back = host_.command(
      {"restore", "job@latest", "--store", store(), "--to", "cpu:1", "--protect-every", "50"});
  EXPECT_EQ(back.exit_code, 0) << back.err << host_.log();
  EXPECT_THAT(back.err, Not(HasSubstr("not protected")));
  EXPECT_THAT(back.out, HasSubstr("job job is protected every 50 steps in " + store()));
  EXPECT_TRUE(has_snapshot(2)) << host_.log();
  end_protection();
}

}  // namespace
}  // namespace cardswap::test
