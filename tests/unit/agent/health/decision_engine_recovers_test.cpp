// What the engine does with jobs whose memory cannot be copied any more.
#include <fmt/format.h>
#include <gmock/gmock.h>

#include <boost/json.hpp>

#include "agent/health/decisions/decision_engine.h"
#include "agent/health/decisions/policy_yaml.h"
#include "tests/unit/agent/health/engine_of_a_host.h"

namespace cardswap::health {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

/// A host of two devices, of whose jobs the first has a snapshot.
class HealthEngineRecovers : public EngineOfAHost {
 protected:
  HealthEngineRecovers() : EngineOfAHost(2) { jobs_.at(0).has_snapshot = true; }
  Plan plan_after(const std::string& code, const std::string& device = "cuda:0") {
    see(code, device);
    return plan();
  }
  static std::vector<std::string> recovered(const Plan& plan) {
    std::vector<std::string> names;
    for (const auto& move : plan.moves) {
      if (move.from_snapshot) names.push_back(move.job);
    }
    return names;
  }
};

TEST_F(HealthEngineRecovers, TheJobOfADeviceThatIsGoneWhileItsNeighbourMovesLive) {
  const auto plan = plan_after("xid:79");
  EXPECT_THAT(recovered(plan), ::testing::ElementsAre("job0"));
  ASSERT_THAT(plan.moves, SizeIs(2));
  EXPECT_FALSE(plan.moves[1].from_snapshot) << "its memory is well";
  EXPECT_EQ(engine().guards().running(), 2U) << "it counts against the budget";
  EXPECT_THAT(events(), Not(HasSubstr("not_moved")));
}

TEST_F(HealthEngineRecovers, TheJobOfADeviceWhoseMemoryIsNotTrustedAndClosesThatDeviceOnly) {
  for (const auto* code : {"xid:95", "xid:62", "recovery:gpu_reset"}) {
    engine_.reset();
    const auto plan = plan_after(code);
    EXPECT_THAT(recovered(plan), ::testing::ElementsAre("job0")) << code;
    ASSERT_THAT(plan.cordons, SizeIs(1)) << code;
    EXPECT_EQ(plan.cordons[0].device, "cuda:0");
  }
}

TEST_F(HealthEngineRecovers, NoJobWithoutSnapshotsAndSaysWhatWouldHaveHelped) {
  const auto plan = plan_after("xid:95", "cuda:1");
  EXPECT_THAT(plan.moves, IsEmpty());
  EXPECT_THAT(events(),
              HasSubstr("not_moved cuda:1 xid:95 job1: xid:95 on cuda:1: its memory must not be "
                        "copied"));
  engine_.reset();
  (void)plan_after("xid:95", "cuda:1");
  EXPECT_THAT(events(), HasSubstr("cardswap protect"));
}

TEST_F(HealthEngineRecovers, NoVictimOfAContainedErrorThatMayBeAnother) {
  EXPECT_THAT(plan_after("xid:94").moves, IsEmpty());
}

TEST_F(HealthEngineRecovers, NoJobThatIsToStay) {
  policy_.stay = {"job*"};
  EXPECT_THAT(plan_after("xid:79").moves, IsEmpty());
  EXPECT_THAT(events(), HasSubstr("the policy says that it stays"));
}

TEST_F(HealthEngineRecovers, OnlySaysSoUntilItMayAct) {
  policy_.act = false;
  const auto plan = plan_after("xid:79");
  EXPECT_THAT(recovered(plan), ::testing::ElementsAre("job0"));
  for (const auto& move : plan.moves) EXPECT_TRUE(move.dry_run);
  EXPECT_EQ(engine().guards().running(), 0U);
}

TEST_F(HealthEngineRecovers, AJobThatTheFaultHasEndedButNoneThatFailedLongBefore) {
  jobs_[0].failed_at = now_ - 1000;
  EXPECT_THAT(recovered(plan_after("xid:79")), ::testing::ElementsAre("job0"));
  engine_.reset();
  jobs_[0].failed_at = now_ - 3'600'000;
  EXPECT_THAT(recovered(plan_after("xid:79")), IsEmpty());
  engine_.reset();
  jobs_[0].failed_at = now_ - 1000;
  EXPECT_THAT(plan_after("xid:64").moves, IsEmpty()) << "what has ended does not move";
}

TEST_F(HealthEngineRecovers, WhateverKeepsTheJobFromMoving) {
  jobs_[0].why_not = "it is frozen";
  EXPECT_THAT(recovered(plan_after("xid:79")), ::testing::ElementsAre("job0"));
}

TEST_F(HealthEngineRecovers, WhereARuleSaysSo) {
  policy_ = policy_from_yaml(
      "mode: act\nrules:\n  - {match: {code: \"xid:63\"}, action: recover}\n", "policy.yaml");
  const auto plan = plan_after("xid:63");
  EXPECT_THAT(recovered(plan), ::testing::ElementsAre("job0"));
  EXPECT_THAT(plan.cordons, SizeIs(1));
  EXPECT_EQ(to_string(PolicyAction::recover), "recover");
  const auto& kept = engine().incidents().all().front();
  EXPECT_EQ(incident_from_journal(to_json(kept)).verdict.action, PolicyAction::recover);
}

TEST_F(HealthEngineRecovers, NothingWhileTheBreakerIsOpen) {
  policy_.moves_at_once = 1;
  const auto first = plan_after("xid:79");
  ASSERT_THAT(first.moves, SizeIs(1));
  for (unsigned i = 0; i < policy_.breaker_failures; ++i) {
    engine().note_move_ended(1, "other", false, now_);
  }
  engine().note_move_ended(first.moves[0].incident, first.moves[0].job_uid, false, now_);
  EXPECT_THAT(engine().plan(now_ + policy_.retry_after, jobs_).moves, IsEmpty());
}

}  // namespace
}  // namespace cardswap::health
