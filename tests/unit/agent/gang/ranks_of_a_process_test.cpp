/// Method: an agent's parts with real records on disk, which a former agent left, and jobs without
/// processes. Nobody answers what they ask.

#include <gmock/gmock.h>

#include "agent/gang/moves.h"
#include "agent/gang/rank_program.h"
#include "agent/handover/ownership.h"
#include "agent/jobs/rank_report.h"
#include "migrator/core/digest.h"
#include "tests/support/handover_parts.h"
#include "tests/support/heard_log.h"

/// What the moves of ranks mean for a process here: whether it may be started again or stopped, and
/// how it is shown.
namespace cardswap::gang {
namespace {

using ::testing::HasSubstr;

class RanksOfAProcess : public ::testing::Test {
 protected:
  RanksOfAProcess() {
    auto& instance = parts_.jobs.table().add({.name = "ddp", .uid = "u"}, "cpu:0");
    instance.ranks[1].attached = true;
    JobList::note_world_size(instance.job(), 2);
    instance_ = instance.id();
  }

  Instance& instance() { return *parts_.jobs.table().by_instance(instance_); }
  /// A former agent left the rank 1 so, of a gang whose conductor is elsewhere.
  void leave(RankState state, Part part = Part::leaves) {
    RankRecord record;
    record.gang = "m-00000001";
    record.job = "ddp";
    record.instance = instance_;
    record.rank = 1;
    record.ranks = 2;
    record.conductor = "127.0.0.1:1";
    record.to = "127.0.0.1:2/cpu:0";
    record.has_promised = state >= RankState::ready;
    record.side.part = part;
    record.side.state = state;
    record.side.epoch = 2;
    record.side.own_epoch = 1;
    parts_.journal.put(Journal::Kind::rank, record.key(), to_journal(record));
    moves_.load();
  }
  /// A former agent left the move of rank 0 so, which it conducts; rank 1 stays.
  void leave_gang(GangState state) {
    GangRecord record;
    record.id = "m-00000001";
    record.job = "ddp";
    record.spec.job = "ddp/0";
    record.spec.to = "127.0.0.1:2/cpu:0";
    record.moves.resize(1);
    record.moves[0].from = "a/cpu:0";
    record.moves[0].to = record.spec.to;
    record.side.state = state;
    record.side.epoch = 2;
    record.side.own_epoch = 1;
    record.side.step = 9;
    record.side.ranks.resize(2);
    record.side.ranks[0] = {Part::leaves, {digest_of({}), 9}};
    record.agents = {"127.0.0.1:3", "127.0.0.1:1"};
    parts_.journal.put(Journal::Kind::gang, record.id, to_journal(record));
    leave(RankState::ready, Part::stays);
  }
  void end_process() {
    JobList::note(instance(), [](InstanceRecord& record) { record.state = InstanceState::failed; });
    ownership_.on_exit(instance());
  }

  test::HandoverParts parts_;
  std::string instance_;
  Cordons cordons_{parts_.journal};
  Migrations migrations_{parts_.context, {}};
  Reservations reservations_{parts_.context, cordons_, migrations_};
  Moves moves_{parts_.context, migrations_};
  handover::Ownership ownership_{migrations_, reservations_, moves_};
};

TEST_F(RanksOfAProcess, IsNotStartedAgainWhereALeaverHasPromisedAndDied) {
  leave(RankState::ready);
  end_process();
  EXPECT_FALSE(ownership_.may_restart(instance())) << "its newcomer may have the job";
}

TEST_F(RanksOfAProcess, IsNotStartedAgainWhereARankThatStaysHasPromisedAndDied) {
  leave(RankState::ready, Part::stays);
  end_process();
  EXPECT_FALSE(ownership_.may_restart(instance())) << "its epoch would be that of the newcomer";
}

TEST_F(RanksOfAProcess, IsNotStartedAgainWhereARankIsElsewhere) {
  leave(RankState::retired);
  end_process();
  EXPECT_FALSE(ownership_.may_restart(instance()));
}

TEST_F(RanksOfAProcess, IsStartedAgainWhereItDiedBeforeItsPromise) {
  leave(RankState::built);
  end_process();
  EXPECT_TRUE(ownership_.may_restart(instance())) << "without it the gang cannot commit";
}

TEST_F(RanksOfAProcess, IsStartedAgainOnceTheMoveOfAnotherRankIsOver) {
  leave(RankState::closed, Part::stays);
  end_process();
  EXPECT_TRUE(ownership_.may_restart(instance()));
}

TEST_F(RanksOfAProcess, StandsWhereTheRecordOfItsRankIsDamaged) {
  channel::Hello hello;
  hello.rank = 1;
  hello.migration = "m-00000001";
  const test::HeardLog log;
  parts_.journal.put(Journal::Kind::rank, "m-00000001/1", {{"gang", "of no other field"}});
  moves_.load();
  moves_.on_attached(instance(), hello);
  EXPECT_THAT(log.text(), HasSubstr("stands still for migration m-00000001"));
  end_process();
  EXPECT_FALSE(ownership_.may_restart(instance())) << "its newcomer may have the job";
}

TEST_F(RanksOfAProcess, IsNotStoppedUnaskedWhereALeaverIsFrozen) {
  leave(RankState::ready);
  note_rank_frozen(instance(), 1, true);
  JobList::note(instance(), [](InstanceRecord& record) { record.state = InstanceState::running; });
  EXPECT_THROW(ownership_.check_stop(instance()), Error) << "it may be the only good copy";
  const auto shown = ownership_.effective_state_of(instance());
  EXPECT_EQ(shown.kind, EffectiveState::Kind::frozen);
  EXPECT_THAT(shown.note, HasSubstr("rank 1 may run on 127.0.0.1:2/cpu:0 (migration m-00000001)"));
}

TEST_F(RanksOfAProcess, IsInDoubtWhereTheGangIsThatItsRankStandsFor) {
  leave_gang(GangState::in_doubt);
  EXPECT_EQ(ownership_.effective_state_of(instance()).kind, EffectiveState::Kind::in_doubt);
  EXPECT_NO_THROW(ownership_.check_stop(instance())) << "it stays: nobody else has its state";
  EXPECT_THAT(moves_.concern(), HasSubstr("job ddp/0 is in doubt"));
  EXPECT_EQ(moves_.doubts().gangs, 1U);
}

TEST_F(RanksOfAProcess, IsOfConcernWhereItsJobHasLostARankUntilItBeginsAnew) {
  leave_gang(GangState::broken);
  EXPECT_THAT(moves_.concern(), HasSubstr("job ddp has lost a rank"));
  EXPECT_EQ(moves_.doubts().gangs, 0U);
  parts_.jobs.table().raise_epoch(instance().job(), 3);
  EXPECT_EQ(moves_.concern(), "");
}

TEST_F(RanksOfAProcess, MayMoveAgainAfterAMoveWhoseAgentEndedBeforeItsResultWasWritten) {
  leave_gang(GangState::completed);
  moves_.take_up_after_restart();
  parts_.io.poll();
  EXPECT_EQ(moves_.shown("m-00000001").at("result").as_string(), "ok");
}

TEST_F(RanksOfAProcess, IsOfNoConcernInAMoveThatGoesWell) {
  leave_gang(GangState::completed);
  EXPECT_EQ(moves_.concern(), "");
  EXPECT_EQ(ownership_.effective_state_of(instance()).kind, EffectiveState::Kind::as_recorded);
}

TEST_F(RanksOfAProcess, TellsNobodyElseWhichRanksAreHere) {
  parts_.config.tls.certificate = "agent.crt";
  const Caller stranger{.name = "gpu-x", .role = ApiRole::agent};
  const auto refused = [&](const std::string& job) {
    try {
      (void)moves_.facts(job, 1, false, stranger);
    } catch (const Error& error) {
      return error.code();
    }
    return Code::internal;
  };
  EXPECT_EQ(refused("ddp"), Code::not_found);
  EXPECT_EQ(refused("other"), Code::not_found);
}

/// A program chooses its device by its place on its host, and there the newcomer is alone.
TEST_F(RanksOfAProcess, StartsANewcomerAsTheOnlyRankOfItsLauncher) {
  JobSpec spec;
  spec.name = "one";
  spec.uid = "u1";
  spec.env = {{"LOCAL_RANK", "3"}, {"LOCAL_WORLD_SIZE", "4"}};
  auto& one = parts_.jobs.table().add(spec, "cpu:0");
  one.ranks[3] = {};
  const auto started = program_of_rank(one, 3);
  EXPECT_EQ(started.env.at("LOCAL_RANK"), "0");
  EXPECT_EQ(started.env.at("LOCAL_WORLD_SIZE"), "1");
  EXPECT_EQ(started.env.at("RANK"), "3");
}

/// The rank 0 leaves next, so another agent conducts that move.
TEST_F(RanksOfAProcess, TellsEachConductorTheEpochThatTheyHaveGivenUp) {
  instance().ranks.at(1).agents = {"127.0.0.1:1", "127.0.0.1:3"};
  leave(RankState::rolled_back, Part::stays);
  EXPECT_EQ(moves_.facts("ddp", 1, false, {}).epoch_tried, 2U);
}

}  // namespace
}  // namespace cardswap::gang
