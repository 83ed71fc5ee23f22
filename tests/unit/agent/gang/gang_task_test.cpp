/// Method: the conductor's task with a real journal, of a gang that a former agent left; nobody is
/// called: the event loop does not run.

#include "agent/gang/gang_task.h"

#include <gmock/gmock.h>

#include <memory>
#include <vector>

#include "migrator/core/digest.h"
#include "tests/support/handover_parts.h"

namespace cardswap::gang {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::SizeIs;

/// Rank 1 leaves, 0 and 2 stay.
class AConductor : public ::testing::Test {
 protected:
  AConductor() {
    parts_.events.start([this](const AgentEvent& event) { told_.push_back(event); });
  }

  GangTask& left_in(GangState state) {
    GangRecord record;
    record.id = "m-00000001";
    record.job = "ddp";
    record.moves.resize(1);
    record.moves[0].rank = 1;
    record.moves[0].to = "127.0.0.1:2/cpu:0";
    record.spec.job = "ddp/1";
    record.spec.to = "127.0.0.1:2/cpu:0";
    record.side.state = state;
    record.side.epoch = 3;
    record.side.own_epoch = 2;
    record.side.step = 41;
    record.side.ranks.resize(3);
    record.side.ranks[1] = {Part::leaves, {digest_of({}), 41}};
    record.agents = {"127.0.0.1:3", "127.0.0.1:3", "127.0.0.1:4"};
    if (state == GangState::broken) {
      record.result = MigrationResult::failed;
      record.ended_at_ms = 7;
      record.error = Error(Code::target_lost, "it has lost a rank");
    }
    task_ = std::make_shared<GangTask>(parts_.context, GangTask::Clients{ranks_, targets_}, record,
                                       std::nullopt, [](const GangRecord&) {});
    return *task_;
  }

  test::HandoverParts parts_;
  GangClient ranks_{parts_.tasks};
  TargetClient targets_{parts_.tasks};
  std::vector<AgentEvent> told_;
  std::shared_ptr<GangTask> task_;
};

TEST_F(AConductor, TellsOnceAndOnlyWhatIsSo) {
  auto& task = left_in(GangState::resumed);
  task.alert(task.record().side);
  task.alert(task.record().side);
  ASSERT_THAT(told_, SizeIs(1)) << "it waits on, and nothing is new";
  EXPECT_EQ(told_[0].kind, "in_doubt");
  EXPECT_THAT(told_[0].text,
              AllOf(HasSubstr("the other ranks went on"), Not(HasSubstr("all ranks stand still"))));
}

TEST_F(AConductor, TellsOfARankThatIsLostThatNothingIsInDoubt) {
  auto& task = left_in(GangState::broken);
  task.alert(task.record().side);
  ASSERT_THAT(told_, SizeIs(1));
  EXPECT_EQ(told_[0].kind, "rank_lost");
}

TEST_F(AConductor, WritesAnewHowABrokenGangEndedThatIsForced) {
  auto& task = left_in(GangState::broken);
  task.force({.to = MigrationSide::target, .by = "a test", .overrule = true});
  EXPECT_EQ(task.state(), GangState::completed);
  EXPECT_FALSE(task.record().result.has_value()) << "it did not fail";
  EXPECT_FALSE(task.record().error.has_value());
  EXPECT_EQ(task.record().ended_at_ms, 0);
}

}  // namespace
}  // namespace cardswap::gang
