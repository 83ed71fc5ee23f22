/// Method: an agent, the real command, a trainer that logs each loss bit for bit. Its state goes to
/// a store while it trains; then it is killed, and what goes on from the store has every loss and
/// the last digest of a run that was never disturbed.

#include "tests/integration/snapshot_job.h"
#include "tests/support/needs.h"

namespace cardswap::test {
namespace {

using ::testing::HasSubstr;

class Snapshots : public SnapshotJob {};

TEST_F(Snapshots, AreOfOneStepAndTheJobTrainsOn) {
  start();
  const auto taken = snapshot({"--tag", "first"});
  EXPECT_EQ(text(taken, "result"), "stored");
  EXPECT_EQ(text(taken, "state"), "stored");
  EXPECT_EQ(number(taken, "snapshot"), 1);
  EXPECT_GE(number(taken, "new_bytes"), 2'900'000);
  EXPECT_TRUE(trains_on()) << host_.log();
  expect_nothing_left();

  const auto second = snapshot();
  EXPECT_EQ(number(second, "snapshot"), 2);
  EXPECT_GT(number(second, "migrated_at_step"), number(taken, "migrated_at_step"));

  const auto all = history();
  ASSERT_EQ(all.size(), 2U);
  EXPECT_EQ(all.at(0).at("step"), second.at("migrated_at_step"));
  EXPECT_EQ(all.at(0).at("root"), second.at("root"));
  EXPECT_EQ(all.at(0).at("parents").as_array().at(0), taken.at("manifest"));
  EXPECT_EQ(all.at(1).at("tags").as_array().at(0), "first");

  const auto verified = host_.command({"verify", store()});
  EXPECT_EQ(verified.exit_code, 0) << verified.out << verified.err;
  EXPECT_THAT(host_.command({"show", "job:first", "--store", store()}).out,
              HasSubstr(text(taken, "root")));
  expect_the_undisturbed_end();
}

/// An upgrade or a cleaned folder: the process lives on, and could not be started again.
TEST_F(Snapshots, AreOfAJobWhoseProgramIsGone) {
  const auto program = path("program");
  std::filesystem::copy_file(trainer("plain_memory"), program);
  start_program({program, "--bytes", kBytes, "--steps", "400"}, {"--step-ms", "10"});
  std::filesystem::remove(program);
  EXPECT_EQ(text(snapshot(), "result"), "stored") << host_.log();
  EXPECT_TRUE(trains_on()) << host_.log();
}

TEST_F(Snapshots, OfAJobThatChangesLittleAddLittle) {
  start({"--dirty-share", "0.1"});
  (void)snapshot();
  const auto second = snapshot();
  EXPECT_LE(number(second, "new_bytes"), 1'100'000) << "one chunk of three changes";
  EXPECT_LE(number(second.at("progress").as_object(), "transferred"), 1'100'000)
      << "the others are in the chain's last one";
  EXPECT_EQ(host_.command({"verify", store()}).exit_code, 0);
  kill_trainer();
  EXPECT_EQ(text(restored(), "result"), "ok") << host_.log();
  expect_the_undisturbed_end();
}

TEST_F(Snapshots, BringAKilledJobBackBitForBit) {
  start();
  const auto taken = snapshot();
  const auto step = static_cast<std::int64_t>(number(taken, "migrated_at_step"));
  ASSERT_TRUE(within(30s, [&] { return host_.step_of("job") >= step + 5; })) << host_.log();
  kill_trainer();
  const auto back = restored();
  EXPECT_EQ(text(back, "result"), "ok") << host_.log();
  EXPECT_EQ(number(back, "migrated_at_step"), number(taken, "migrated_at_step"));
  EXPECT_EQ(text(back, "root"), text(taken, "root"));
  expect_the_undisturbed_end();
}

/// A model, its optimizer and its generators, in a framework's memory.
TEST_F(Snapshots, BringAGptBackBitForBit) {
  if (!std::filesystem::exists(trainer("gpt"))) {
    return skip_without("torch", "built without LibTorch");
  }
  start_program({trainer("gpt"), "--text", LICENSE_FILE, "--layers", "1", "--width", "32",
                 "--context", "16", "--batch", "4", "--steps", "3000"},
                {"--times", path("times")});
  (void)snapshot();
  kill_trainer();
  EXPECT_EQ(text(restored(), "result"), "ok") << host_.log();
  expect_the_undisturbed_end();
}

TEST_F(Snapshots, AreRefusedWhereOneByteIsAnother) {
  start();
  (void)snapshot();
  kill_trainer();
  ASSERT_FALSE(packs().empty());
  damage(packs().back(), 2'000'000);
  EXPECT_NE(host_.command({"verify", store(), "job@latest"}).exit_code, 0);
  const auto back = host_.command({"restore", "job@latest", "--store", store()});
  EXPECT_NE(back.exit_code, 0) << back.out;
  EXPECT_THAT(back.err, HasSubstr("the snapshot could not be read: cardswap-keeper: "));
  expect_nothing_left();
}

}  // namespace
}  // namespace cardswap::test
