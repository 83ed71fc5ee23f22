/// Method: two agents whose hosts share a folder, the real command, a trainer on the first. It is
/// restored on the second while the first trains on, as behind a lost link. What the store has,
/// what the job's protection says on both, and the steps of the first tell what became of the old
/// copy.

#include <sys/mount.h>

#include "tests/faults/small_disk.h"
#include "tests/integration/recovering_job.h"
#include "tests/support/needs.h"

namespace cardswap::test {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

class Fence : public RecoveringJob {
 protected:
  [[nodiscard]] boost::json::object restore_on(const Host& host, const std::string& to,
                                               const Words& more = {}) const {
    Words all{"restore", "job@latest", "--store", to};
    all.insert(all.end(), more.begin(), more.end());
    return host.ask(all);
  }
  /// The numbers of the snapshots that were taken on that host.
  [[nodiscard]] std::vector<std::int64_t> taken_on(const std::string& host) const {
    std::vector<std::int64_t> all;
    for (const auto& one : history()) {
      const auto& shown = one.as_object();
      if (text(shown, "host") == host) {
        all.push_back(static_cast<std::int64_t>(number(shown, "snapshot")));
      }
    }
    return all;
  }
  [[nodiscard]] boost::json::object record_at(std::int64_t wanted) const {
    for (const auto& one : history()) {
      if (number(one.as_object(), "snapshot") == static_cast<double>(wanted))
        return one.as_object();
    }
    return {};
  }
  [[nodiscard]] static bool steps_on(const Host& host) {
    const auto before = host.step_of("job");
    return within(20s, [&] { return host.step_of("job") > before; });
  }

  Host other_{dir_.path() / "b", {.name = "b"}};
};

TEST_F(Fence, OfAJobThatWasRestoredElsewhereRefusesTheOldCopyAndSaysSo) {
  start({}, kMany);
  protect("20", {"--keep", "all"});
  ASSERT_TRUE(has_snapshot(1)) << host_.log();
  ASSERT_EQ(text(restore_on(other_, store(), {"--protect-every", "20"}), "result"), "ok")
      << other_.log();
  ASSERT_TRUE(within(60s, [&] { return failures() >= 1; })) << host_.log();
  const auto of_old = taken_on("a");
  EXPECT_THAT(failure(), AllOf(HasSubstr("another copy of job job may be alive"),
                               HasSubstr("went on from a snapshot of this one, on b")));
  EXPECT_THAT(host_.command({"jobs", "job"}).out,
              HasSubstr("another copy of job job may be alive"));
  EXPECT_TRUE(has_event("protection_failed"));
  EXPECT_NE(host_.command({"snapshot", "job", "--to", store()}).exit_code, 0);
  EXPECT_TRUE(steps_on(host_)) << "it trains on all the same";
  EXPECT_TRUE(within(60s, [&] { return taken_on("b").size() >= 2; })) << other_.log();
  EXPECT_EQ(taken_on("a"), of_old) << "nothing of the old copy was published behind the restore";
  EXPECT_EQ(host_.command({"verify", store()}).exit_code, 0);

  // The way back that the hint names: a run of its own, which the store then takes for the job.
  const auto step = boost::json::serialize(record_at(of_old.front()).at("step"));
  const auto back = host_.command({"rollback", "job", "--to-step", step, "--store", store()});
  EXPECT_EQ(back.exit_code, 0) << back.err;
  EXPECT_TRUE(within(60s, [&] { return taken_on("a").size() > of_old.size(); })) << host_.log();
  (void)other_.ask({"stop", "job"});
}

TEST_F(Fence, OfAJobThatWasRestoredElsewhereKeepsTheOldCopyFromBeingRecovered) {
  start_restarting(kMany);
  protect("1h");
  ASSERT_TRUE(has_snapshot(1)) << host_.log();
  ASSERT_EQ(text(restore_on(other_, store()), "result"), "ok") << other_.log();
  ASSERT_EQ(::kill(trainer_, SIGKILL), 0);
  ASSERT_TRUE(has_event("recovery_failed")) << host_.log();
  EXPECT_EQ(text(record_of(host_), "state"), "failed");
  EXPECT_THAT(host_.command({"jobs", "job"}).out,
              HasSubstr("another copy of job job may be alive"));
  EXPECT_TRUE(steps_on(other_)) << other_.log();
  (void)other_.ask({"stop", "job"});
}

/// A store that takes nothing more keeps no job from going on; what cannot be done is said.
TEST_F(Fence, IsGoneWithoutWhereTheStoreTakesNothing) {
  if (const auto missing = SmallDisk::missing()) return skip_without("root", *missing);
  const SmallDisk disk(path("disk"));
  start({}, kMany);
  const auto to = "file:" + path("disk/store");
  ASSERT_EQ(host_.command({"snapshot", "job", "--to", to}).exit_code, 0);
  kill_trainer();
  ASSERT_EQ(::mount(nullptr, path("disk").c_str(), nullptr, MS_REMOUNT | MS_RDONLY, nullptr), 0);
  const auto said = host_.command({"restore", "job@latest", "--store", to});
  EXPECT_EQ(said.exit_code, 0) << said.err << host_.log();
  EXPECT_THAT(said.err, HasSubstr("no prune knows that this command reads the store"));
  EXPECT_TRUE(trains_on()) << host_.log();
}

/// Method: `bisect` reads one snapshot after the other; its probe, which runs in between, gives up
/// and removes the older ones.
TEST_F(Fence, OfAReaderKeepsAPruneFromRemovingWhatItReads) {
  start({"--dirty-share", "0.1"}, kMany);
  for (int i = 0; i < 5; ++i) (void)snapshot();
  const auto all = history();
  const auto step_of = [&](std::size_t i) {
    return boost::json::serialize(all.at(i).as_object().at("step"));
  };
  const auto prune = "$(readlink /proc/$PPID/exe) prune job --store " + store() +
                     " --keep last=1 --grace 0s >&2; ";
  const auto said =
      host_.command({"bisect", "job", "--good", step_of(4), "--bad", step_of(0), "--store", store(),
                     "--", "sh", "-c", prune + prune + "test ! -s \"$1\"", "sh", "{}"});
  EXPECT_EQ(said.exit_code, 0) << said.err;
  EXPECT_THAT(said.err, HasSubstr("which reads"));
  EXPECT_THAT(said.err, HasSubstr("(snapshot 2): bad")) << "given up when it was read";
  EXPECT_EQ(history().size(), 2U);
  const auto after = host_.ask({"prune", "job", "--store", store(), "--grace", "0s"});
  EXPECT_GT(number(after, "removed"), 0);
}

}  // namespace
}  // namespace cardswap::test
