// What the engine does with jobs whose memory cannot be copied any more.
#include <fmt/format.h>
#include <gmock/gmock.h>

#include <boost/json.hpp>

#include "agent/health/decisions/decision_engine.h"
#include "agent/health/decisions/policy_yaml.h"

namespace cardswap::health {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

constexpr Ms kNow = 1'700'000'000'000;

/// Two devices with a job on each, of which the first has a snapshot.
class HealthEngineRecovers : public ::testing::Test {
 protected:
  HealthEngineRecovers() {
    policy_.act = true;
    jobs_.at(0).has_snapshot = true;
  }
  DecisionEngine& engine() {
    if (!engine_) engine_ = std::make_unique<DecisionEngine>(policy_, devices_);
    return *engine_;
  }
  Plan see(const std::string& code, const std::string& device = "cuda:0") {
    Finding finding;
    finding.device = device;
    finding.code = code;
    finding.source = FaultSource::kernel_log;
    finding.at = kNow;
    engine().observe(finding);
    return engine().plan(kNow, jobs_);
  }
  std::string events() {
    std::string all;
    for (const auto& event : engine().take_events()) {
      all += fmt::format("{} {} {}: {}\n", event.kind, event.device, event.job, event.text);
    }
    return all;
  }
  static std::vector<std::string> recovered(const Plan& plan) {
    std::vector<std::string> names;
    for (const auto& move : plan.moves) {
      if (move.from_snapshot) names.push_back(move.job);
    }
    return names;
  }

  Policy policy_;
  std::vector<DeviceName> devices_{{"cuda:0", "GPU-0", "0000:00:00"},
                                   {"cuda:1", "GPU-1", "0000:01:00"}};
  std::vector<HostJob> jobs_{{"job0", "uid0", "cuda:0", 100, 0, {}},
                             {"job1", "uid1", "cuda:1", 101, 0, {}}};
  std::unique_ptr<DecisionEngine> engine_;
};

TEST_F(HealthEngineRecovers, TheJobOfADeviceThatIsGoneWhileItsNeighbourMovesLive) {
  const auto plan = see("xid:79");
  EXPECT_THAT(recovered(plan), ::testing::ElementsAre("job0"));
  ASSERT_THAT(plan.moves, SizeIs(2));
  EXPECT_FALSE(plan.moves[1].from_snapshot) << "its memory is well";
  EXPECT_EQ(engine().guards().running(), 2U) << "it counts against the budget";
  EXPECT_THAT(events(), Not(HasSubstr("not_moved")));
}

TEST_F(HealthEngineRecovers, TheJobOfADeviceWhoseMemoryIsNotTrustedAndClosesThatDeviceOnly) {
  for (const auto* code : {"xid:95", "xid:62", "recovery:gpu_reset"}) {
    engine_.reset();
    const auto plan = see(code);
    EXPECT_THAT(recovered(plan), ::testing::ElementsAre("job0")) << code;
    ASSERT_THAT(plan.cordons, SizeIs(1)) << code;
    EXPECT_EQ(plan.cordons[0].device, "cuda:0");
  }
}

TEST_F(HealthEngineRecovers, NoJobWithoutSnapshotsAndSaysWhatWouldHaveHelped) {
  const auto plan = see("xid:95", "cuda:1");
  EXPECT_THAT(plan.moves, IsEmpty());
  EXPECT_THAT(events(), HasSubstr("not_moved cuda:1 job1: xid:95 on cuda:1: its memory must not be "
                                  "copied"));
  engine_.reset();
  (void)see("xid:95", "cuda:1");
  EXPECT_THAT(events(), HasSubstr("cardswap protect"));
}

TEST_F(HealthEngineRecovers, NoVictimOfAContainedErrorThatMayBeAnother) {
  EXPECT_THAT(see("xid:94").moves, IsEmpty());
}

TEST_F(HealthEngineRecovers, NoJobThatIsToStay) {
  policy_.stay = {"job*"};
  EXPECT_THAT(see("xid:79").moves, IsEmpty());
  EXPECT_THAT(events(), HasSubstr("the policy says that it stays"));
}

TEST_F(HealthEngineRecovers, OnlySaysSoUntilItMayAct) {
  policy_.act = false;
  const auto plan = see("xid:79");
  EXPECT_THAT(recovered(plan), ::testing::ElementsAre("job0"));
  for (const auto& move : plan.moves) EXPECT_TRUE(move.dry_run);
  EXPECT_EQ(engine().guards().running(), 0U);
}

TEST_F(HealthEngineRecovers, AJobThatTheFaultHasEndedButNoneThatFailedLongBefore) {
  jobs_[0].failed_at = kNow - 1000;
  EXPECT_THAT(recovered(see("xid:79")), ::testing::ElementsAre("job0"));
  engine_.reset();
  jobs_[0].failed_at = kNow - 3'600'000;
  EXPECT_THAT(recovered(see("xid:79")), IsEmpty());
  engine_.reset();
  jobs_[0].failed_at = kNow - 1000;
  EXPECT_THAT(see("xid:64").moves, IsEmpty()) << "what has ended does not move";
}

TEST_F(HealthEngineRecovers, WhateverKeepsTheJobFromMoving) {
  jobs_[0].why_not = "it is frozen";
  EXPECT_THAT(recovered(see("xid:79")), ::testing::ElementsAre("job0"));
}

TEST_F(HealthEngineRecovers, WhereARuleSaysSo) {
  policy_ = policy_from_yaml(
      "mode: act\nrules:\n  - {match: {code: \"xid:63\"}, action: recover}\n", "policy.yaml");
  const auto plan = see("xid:63");
  EXPECT_THAT(recovered(plan), ::testing::ElementsAre("job0"));
  EXPECT_THAT(plan.cordons, SizeIs(1));
  EXPECT_EQ(to_string(PolicyAction::recover), "recover");
  const auto& kept = engine().incidents().all().front();
  EXPECT_EQ(incident_from_journal(to_json(kept)).verdict.action, PolicyAction::recover);
}

TEST_F(HealthEngineRecovers, NothingWhileTheBreakerIsOpen) {
  policy_.moves_at_once = 1;
  const auto first = see("xid:79");
  ASSERT_THAT(first.moves, SizeIs(1));
  for (unsigned i = 0; i < policy_.breaker_failures; ++i) {
    engine().note_move_ended(1, "other", false, kNow);
  }
  engine().note_move_ended(first.moves[0].incident, first.moves[0].job_uid, false, kNow);
  EXPECT_THAT(engine().plan(kNow + policy_.retry_after, jobs_).moves, IsEmpty());
}

}  // namespace
}  // namespace cardswap::health
