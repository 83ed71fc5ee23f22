/// Method: as in snapshot_test.cpp; a snapshot whose keeper holds the whole state is stopped before
/// it has written any of it, and then somebody is killed, or the disk is as it should not be. What
/// is listed afterwards is whole or is not there, and the job trains on.

#include <sys/mount.h>
#include <sys/resource.h>

#include <algorithm>

#include "tests/faults/small_disk.h"
#include "tests/integration/snapshot_job.h"
#include "tests/support/needs.h"

namespace cardswap::test {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class DisturbedSnapshots : public SnapshotJob {
 protected:
  /// A snapshot of which the keeper holds all, the job stands, and nothing was decided.
  struct Held {
    std::string id;
    int keeper = 0;
  };

  static constexpr const char* kMany = "3000";  // steps: no test waits for its end

  void begin_and_hold(Held& held) const {
    const boost::json::object body{{"job", "job"},
                                   {"to", ""},
                                   {"store", store()},
                                   {"max_stall_ms", nullptr},
                                   {"failpoint", "verifying"}};
    const auto begun = ask_over_unix(
        host_,
        {.method = "POST", .target = "/v1/migrations", .body = boost::json::serialize(body)});
    ASSERT_EQ(begun.status, 202U) << begun.content;
    held.id = text(begun.body, "id");
    ASSERT_TRUE(within(20s, [&] {
      return host_.log().find("migration " + held.id + " here: verified") != std::string::npos;
    })) << host_.log();
    ASSERT_TRUE(within(20s, [&] { return host_.ask({"status", held.id}).at("held").as_bool(); }));
    for (const int pid : processes_of(dir_.path())) {
      const auto line = read_file("/proc/" + std::to_string(pid) + "/cmdline");
      if (line.substr(0, line.find('\0')).ends_with("cardswap-keeper")) held.keeper = pid;
    }
    ASSERT_NE(held.keeper, 0);
  }
  /// Lets it go on until the job trains again.
  void proceed(const Held& held) const {
    const auto answer = ask_over_unix(
        host_, {.method = "POST", .target = "/v1/migrations/" + held.id + "/proceed"});
    ASSERT_EQ(answer.status, 200U) << answer.content;
    ASSERT_TRUE(trains_on()) << host_.log();
  }
  [[nodiscard]] std::string result_of(const std::string& id) const {
    std::string result;
    EXPECT_TRUE(within(20s, [&] {
      result = text(host_.ask({"status", id}), "result");
      return !result.empty();
    })) << host_.log();
    return result;
  }
  /// Whether the agent knows that the trainer is gone; the keeper has the job's name, too.
  [[nodiscard]] bool has_failed() const {
    const auto jobs = host_.ask({"jobs"});
    return std::ranges::any_of(jobs.at("jobs").as_array(), [](const auto& one) {
      return text(one.as_object(), "state") == "failed";
    });
  }
  /// What an operator reads of a snapshot that comes to nothing.
  [[nodiscard]] std::string refusal_of(const std::string& to) const {
    const auto taken = host_.command({"snapshot", "job", "--to", to, "--no-wait"});
    EXPECT_NE(taken.exit_code, 0) << taken.out;
    return taken.err;
  }
};

/// The kernel kills it: it may not write more than that into a file, and a pack has more.
TEST_F(DisturbedSnapshots, OfAKeeperThatIsKilledWhileItWritesAreNeverListed) {
  start({}, kMany);
  Held held;
  ASSERT_NO_FATAL_FAILURE(begin_and_hold(held));
  const rlimit most{1'000'000, 1'000'000};
  ASSERT_EQ(::prlimit(held.keeper, RLIMIT_FSIZE, &most, nullptr), 0);
  ASSERT_NO_FATAL_FAILURE(proceed(held));
  EXPECT_EQ(result_of(held.id), "failed");
  EXPECT_THAT(history(), IsEmpty());
  EXPECT_TRUE(trains_on()) << host_.log();
  expect_nothing_left();
  EXPECT_EQ(text(snapshot(), "result"), "stored") << "the next one";
  EXPECT_THAT(history(), SizeIs(1));
  expect_undisturbed_so_far();
}

/// Once it has let go of its state, that is its keeper's.
TEST_F(DisturbedSnapshots, OfATrainerThatIsKilledMeanwhileAreWhole) {
  start({}, kMany);
  Held held;
  ASSERT_NO_FATAL_FAILURE(begin_and_hold(held));
  ASSERT_EQ(::kill(held.keeper, SIGSTOP), 0);
  ASSERT_NO_FATAL_FAILURE(proceed(held));
  ASSERT_EQ(::kill(trainer_, SIGKILL), 0);
  ASSERT_TRUE(within(20s, [&] { return has_failed(); })) << host_.log();
  EXPECT_THAT(history(), IsEmpty());
  ASSERT_EQ(::kill(held.keeper, SIGCONT), 0);
  EXPECT_EQ(result_of(held.id), "stored");
  EXPECT_EQ(host_.command({"verify", store()}).exit_code, 0);
  EXPECT_EQ(text(restored(), "result"), "ok") << host_.log();
  EXPECT_TRUE(trains_on()) << host_.log();
  expect_undisturbed_so_far();
}

TEST_F(DisturbedSnapshots, OfATrainerThatIsKilledBeforeAreNone) {
  start({}, kMany);
  Held held;
  ASSERT_NO_FATAL_FAILURE(begin_and_hold(held));
  ASSERT_EQ(::kill(trainer_, SIGKILL), 0);
  EXPECT_EQ(result_of(held.id), "failed");
  EXPECT_THAT(history(), IsEmpty());
  expect_nothing_left();
}

TEST_F(DisturbedSnapshots, OfAnAgentThatIsKilledMeanwhileAreNoneAndTheJobTrainsOn) {
  start({}, kMany);
  Held held;
  ASSERT_NO_FATAL_FAILURE(begin_and_hold(held));
  ASSERT_EQ(::kill(held.keeper, SIGSTOP), 0);
  ASSERT_NO_FATAL_FAILURE(proceed(held));
  host_.kill_agent(SIGKILL);
  EXPECT_TRUE(trains_on());
  host_.start_agent();
  EXPECT_EQ(result_of(held.id), "failed");
  EXPECT_THAT(history(), IsEmpty());
  expect_nothing_left();
  EXPECT_TRUE(within(10s, [&] { return host_.job("job").at("attached").as_bool(); }));
  EXPECT_EQ(text(snapshot(), "result"), "stored") << "the next one";
  expect_undisturbed_so_far();
}

TEST_F(DisturbedSnapshots, AreCancelledWhileTheirKeeperWrites) {
  start({}, kMany);
  Held held;
  ASSERT_NO_FATAL_FAILURE(begin_and_hold(held));
  ASSERT_EQ(::kill(held.keeper, SIGSTOP), 0);
  ASSERT_NO_FATAL_FAILURE(proceed(held));
  EXPECT_THAT(refusal_of(store()), HasSubstr("job job is being kept by migration " + held.id));
  EXPECT_EQ(host_.command({"cancel", held.id}).exit_code, 0);
  EXPECT_EQ(result_of(held.id), "cancelled");
  EXPECT_THAT(history(), IsEmpty());
  expect_nothing_left();
  EXPECT_TRUE(trains_on()) << host_.log();
}

TEST_F(DisturbedSnapshots, AreRefusedWhileTheJobMoves) {
  start({}, kMany);
  const auto id = text(host_.ask({"migrate", "job", "--to", host_.at("cpu:1"), "--hold-at",
                                  "standby_ready", "--detach"}),
                       "id");
  ASSERT_TRUE(within(20s, [&] { return host_.ask({"status", id}).at("held").as_bool(); }));
  EXPECT_THAT(refusal_of(store()), HasSubstr("job job is in migration " + id));
  EXPECT_EQ(host_.command({"cancel", id}).exit_code, 0);
}

TEST_F(DisturbedSnapshots, SayWhatIsWrongWithTheirStore) {
  start({}, kMany);
  std::ofstream(path("file")).put('\n');
  EXPECT_THAT(refusal_of("file:" + path("file/store")), HasSubstr("Not a directory"));
  EXPECT_THAT(refusal_of("file:" + dir_.path().string()),
              AllOf(HasSubstr("is not a store and has other things in it"),
                    HasSubstr("name a folder that is empty")));
  EXPECT_THAT(refusal_of("s3://bucket"),
              HasSubstr("is no address of a store: write it like file:/var/lib/cardswap/store"));
  const auto absent = host_.command({"history", "job", "--store", "file:" + path("gone")});
  EXPECT_THAT(absent.err, HasSubstr("there is no folder " + path("gone")));
  EXPECT_TRUE(trains_on()) << host_.log();
  expect_nothing_left();
}

TEST_F(DisturbedSnapshots, SayWhichStepsThereAre) {
  start({}, kMany);
  const auto step = boost::json::serialize(snapshot().at("migrated_at_step"));
  const auto shown = host_.command({"show", "job@1", "--store", store()});
  EXPECT_NE(shown.exit_code, 0);
  EXPECT_THAT(shown.err, AllOf(HasSubstr("there is no snapshot job@1"),
                               HasSubstr("it has those of step " + step)));
  const auto restored = host_.command({"restore", "job@1", "--store", store()});
  EXPECT_NE(restored.exit_code, 0);
  EXPECT_THAT(restored.err, HasSubstr("no snapshot of job job at or before step 1 on branch main: "
                                      "the oldest is of step " +
                                      step));
  const auto other = host_.command({"show", "other@latest", "--store", store()});
  EXPECT_THAT(other.err, HasSubstr("it has none of job other"));
  const auto runs = host_.command({"restore", "job@latest", "--store", store()});
  EXPECT_THAT(runs.err, HasSubstr("job job runs already"));
}

TEST_F(DisturbedSnapshots, OnAFullDiskAreNoneUntilThereIsRoom) {
  if (const auto missing = SmallDisk::missing()) return skip_without("root", *missing);
  SmallDisk disk(path("disk"));
  start({}, kMany);
  const auto to = "file:" + path("disk/store");
  EXPECT_EQ(host_.command({"snapshot", "job", "--to", to}).exit_code, 0);
  disk.fill();
  EXPECT_THAT(refusal_of(to),
              AllOf(HasSubstr("write the snapshot: "), HasSubstr("No space left on device"),
                    HasSubstr("make room where the store is")));
  EXPECT_TRUE(trains_on()) << host_.log();
  disk.empty();
  EXPECT_EQ(host_.command({"snapshot", "job", "--to", to}).exit_code, 0);
  EXPECT_THAT(host_.ask({"history", "job", "--store", to}).at("snapshots").as_array(), SizeIs(2));

  ASSERT_EQ(::mount(nullptr, path("disk").c_str(), nullptr, MS_REMOUNT | MS_RDONLY, nullptr), 0);
  EXPECT_THAT(refusal_of(to), HasSubstr("Read-only file system"));
  EXPECT_TRUE(trains_on()) << host_.log();
  expect_nothing_left();
}

/// The job's user writes the store, and not the agent, who could.
TEST_F(DisturbedSnapshots, InAFolderOfAnotherUserAreNone) {
  if (::geteuid() != 0) return skip_without("root", "only root can start a job as another user");
  namespace fs = std::filesystem;
  fs::permissions(dir_.path(), fs::perms(0711));
  fs::create_directory(path("store"));
  fs::permissions(path("store"), fs::perms(0700));
  // Where the tests were built may be closed to other users.
  fs::create_directory(path("bin"));
  for (const auto* program : {"cardswapd", "cardswap-init", "cardswap-keeper"}) {
    fs::copy_file(fs::path(CARDSWAPD).parent_path() / program, fs::path(path("bin")) / program);
  }
  fs::copy_file(trainer("plain_memory"), path("plain_memory"));
  const Host host(dir_.path() / "b", {.name = "b", .programs = path("bin")});
  (void)host.ask({"run", "--name", "job", "--cwd", "/", "--user", "nobody", "--",
                  path("plain_memory"), "--steps", kMany, "--step-ms", "5"});
  ASSERT_TRUE(within(30s, [&] { return host.step_of("job") >= 3; })) << host.log();
  const auto taken = host.command({"snapshot", "job", "--to", store()});
  EXPECT_EQ(taken.exit_code, 1) << taken.out;
  EXPECT_THAT(taken.err, AllOf(HasSubstr("open the store: open " + path("store")),
                               HasSubstr("Permission denied"), HasSubstr("look at the owner")));
  EXPECT_THAT(files_below(path("store")), IsEmpty());
  EXPECT_TRUE(host.steps_again_within("job", 10s)) << host.log();
}

}  // namespace
}  // namespace cardswap::test
