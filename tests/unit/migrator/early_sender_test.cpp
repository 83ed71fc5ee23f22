#include "migrator/engine/source/replay/early_sender.h"

#include <gmock/gmock.h>

#include "tests/unit/migrator/scripted_target.h"

namespace cardswap {
namespace {

using test::ReplayingSource;
using test::TwoShards;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class EarlySenderTest : public ::testing::Test {
 protected:
  explicit EarlySenderTest(bool multiplies = false) : source_(multiplies) {
    source_.shards[0].copied_at = 6;
    early_.watch(true);
  }
  /// A gradient of that step comes ahead of its entry, if the log wants it.
  bool comes_early(std::uint64_t step, float value, std::uint32_t parameter = 0) {
    return log_.append_early(step, ParameterId{parameter}, TwoShards::kBytes,
                             [=] { return ReplayingSource::gradient(parameter, value); });
  }
  void send_all() {
    while (early_.send_piece()) {
    }
  }
  /// What the step's entry has of the first parameter, by what was sent early.
  std::optional<EarlySender::Claim> claimed(std::uint64_t step, float value) {
    return early_.claim(ReplayingSource::entry(step, {ReplayingSource::gradient(0, value)}))[0];
  }
  /// By number, those that no update refers to.
  [[nodiscard]] std::vector<std::uint64_t> dropped() const {
    std::vector<std::uint64_t> numbers;
    for (const auto& one : source_.target->heard_of<data::EarlyDropped>()) {
      numbers.push_back(one.number);
    }
    return numbers;
  }

  ReplayingSource source_;
  UpdateLog log_{[] {}};
  EarlySender early_{source_.context, log_, source_.shards};
};

/// A target that multiplies what came early, as factors say.
class EarlySenderWithFactorsTest : public EarlySenderTest {
 protected:
  EarlySenderWithFactorsTest() : EarlySenderTest(true) {}
};

TEST_F(EarlySenderTest, TakesGradientsOfShardsThatTheTargetFollowsUntilItIsToldNotTo) {
  EXPECT_TRUE(comes_early(7, 1));
  EXPECT_FALSE(comes_early(7, 1, 1)) << "not copied yet";
  early_.drop_all();
  early_.watch(false);
  EXPECT_FALSE(comes_early(8, 1));
}

TEST_F(EarlySenderTest, AnnouncesAGradientAndSendsItInPieces) {
  ASSERT_TRUE(comes_early(7, 1));
  send_all();
  const auto announced = source_.target->heard_of<data::EarlyGradient>();
  ASSERT_THAT(announced, SizeIs(1));
  EXPECT_EQ(announced[0].number, 1U);
  EXPECT_EQ(announced[0].parameter, 0U);
  EXPECT_EQ(announced[0].bytes, TwoShards::kBytes);
  const auto& sent = source_.target->payloads;
  ASSERT_THAT(sent, SizeIs(2));
  EXPECT_EQ(std::get<data::EarlyHeader>(sent[1].what).number, 1U);
  EXPECT_EQ(std::get<data::EarlyHeader>(sent[1].what).offset, ReplayingSource::kChunkBytes);
  EXPECT_EQ(early_.stats().bytes, TwoShards::kBytes);
}

TEST_F(EarlySenderTest, GivesTheEntryWhatDidNotChange) {
  ASSERT_TRUE(comes_early(7, 1));
  ASSERT_TRUE(early_.send_piece());
  const auto claim = claimed(7, 1);
  ASSERT_TRUE(claim);
  EXPECT_EQ(claim->early_number, 1U);
  EXPECT_EQ(claim->sent, ReplayingSource::kChunkBytes) << "the rest is still to go";
  EXPECT_EQ(claim->factor.kind, FactorKind::none);
  EXPECT_THAT(dropped(), IsEmpty());
  EXPECT_EQ(log_.stats().early_bytes, 0U);
}

TEST_F(EarlySenderTest, DropsWhatTheEntryHasOtherwise) {
  ASSERT_TRUE(comes_early(7, 1));
  send_all();
  EXPECT_FALSE(claimed(7, 2)) << "this target multiplies nothing";
  EXPECT_THAT(dropped(), ElementsAre(1U));
  EXPECT_EQ(early_.stats().resent, TwoShards::kBytes);
  EXPECT_EQ(log_.stats().held_bytes, 0U);
}

TEST_F(EarlySenderTest, LeavesWhatItHasNotBegunToTheEntry) {
  ASSERT_TRUE(comes_early(7, 1));
  EXPECT_FALSE(claimed(7, 1));
  EXPECT_THAT(dropped(), IsEmpty()) << "nobody was told of it";
  EXPECT_EQ(early_.stats().resent, 0U);
}

TEST_F(EarlySenderTest, DropsWhatNoEntryOfItsStepHad) {
  ASSERT_TRUE(comes_early(7, 1));
  send_all();
  (void)early_.claim(ReplayingSource::entry(8, {}));
  EXPECT_THAT(dropped(), ElementsAre(1U));
}

TEST_F(EarlySenderTest, SparesAParameterThatChangesItsGradientsInEachStep) {
  for (std::uint64_t step = 7; step < 10; ++step) {
    early_.watch(true);
    ASSERT_TRUE(comes_early(step, 1)) << step;
    send_all();
    EXPECT_FALSE(claimed(step, 2));
  }
  early_.watch(true);
  EXPECT_FALSE(comes_early(10, 1));
}

TEST_F(EarlySenderTest, DropsAllBeforeAnotherLayout) {
  ASSERT_TRUE(comes_early(7, 1));
  ASSERT_TRUE(early_.send_piece());
  early_.drop_all();
  const auto gone = source_.target->heard_of<data::EarlyDropped>();
  ASSERT_THAT(gone, SizeIs(1));
  EXPECT_EQ(gone[0].bytes, ReplayingSource::kChunkBytes) << "what was sent of it";
  EXPECT_FALSE(early_.send_piece());
}

TEST_F(EarlySenderWithFactorsTest, GivesTheEntryAMultipleWithItsFactor) {
  ASSERT_TRUE(comes_early(7, 3));
  send_all();
  const auto claim = claimed(7, 1.5F);
  ASSERT_TRUE(claim);
  EXPECT_EQ(claim->factor.kind, FactorKind::float32);
  EXPECT_NEAR(claim->factor.value, 0.5, 1e-6);
  EXPECT_EQ(claim->factor.product, digest_of(ReplayingSource::gradient(0, 1.5F).bytes));
  EXPECT_THAT(dropped(), IsEmpty());
}

}  // namespace
}  // namespace cardswap
