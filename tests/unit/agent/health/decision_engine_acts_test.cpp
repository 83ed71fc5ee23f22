// What the engine does when its policy, its targets or its cordons fail it.
#include <fmt/format.h>
#include <gmock/gmock.h>

#include <algorithm>
#include <boost/json.hpp>

#include "agent/health/decisions/decision_engine.h"
#include "tests/unit/agent/health/engine_of_a_host.h"

namespace cardswap::health {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

/// A host of two devices, with a job on the first.
class HealthEngineActs : public EngineOfAHost {
 protected:
  HealthEngineActs() : EngineOfAHost(2) { jobs_.pop_back(); }
};

TEST_F(HealthEngineActs, KeepsTheNewestOfTooManyHistories) {
  for (int i = 0; i < 2048; ++i) see("xid:39", fmt::format("z{:04}", i));
  now_ += 60'000;
  see("xid:39", "a");  // the 2049th, and the first by name
  now_ += 60'000;
  see("xid:39", "b");  // pushes out another: not "a", which is newer than all of z
  now_ += 60'000;
  see("xid:39", "a");
  const auto& incidents = engine().incidents().all();
  const auto found = std::find_if(incidents.begin(), incidents.end(),
                                  [](const auto& incident) { return incident.device == "a"; });
  ASSERT_NE(found, incidents.end());
  EXPECT_EQ(found->verdict.action_class, ActionClass::live) << "the 2nd within a day";
}

TEST_F(HealthEngineActs, CordonsWhenItMayActWhatItOnlySaidBefore) {
  policy_.act = false;
  see("xid:64");
  EXPECT_THAT(plan().cordons, SizeIs(1));
  EXPECT_THAT(plan().cordons, IsEmpty()) << "logged once";
  EXPECT_FALSE(engine().incidents().all().front().cordoned);
  const auto record = to_json(engine().incidents().all().front());
  auto policy = policy_;
  policy.act = true;
  // After a restart with another mode,
  DecisionEngine restarted(policy, devices_);
  restarted.restore(incident_from_journal(record));
  EXPECT_THAT(restarted.plan(now_, jobs_).cordons, SizeIs(1));
  // and when the policy is read again.
  engine().use(policy, devices_, now_);
  const auto acts = plan();
  ASSERT_THAT(acts.cordons, SizeIs(1));
  EXPECT_FALSE(acts.cordons[0].dry_run);
  EXPECT_THAT(acts.moves, SizeIs(1));
  engine().note_cordoned(acts.cordons[0].incident, now_);
  EXPECT_THAT(events(), HasSubstr("\ncordon cuda:0 xid:64"));
  EXPECT_THAT(plan().cordons, IsEmpty());
}

TEST_F(HealthEngineActs, TriesACordonAgainThatFailed) {
  see("xid:64");
  ASSERT_THAT(plan().cordons, SizeIs(1));
  engine().note_cordon_failed(engine().incidents().all().front().id, "the disk is full", now_);
  EXPECT_THAT(plan().cordons, IsEmpty());
  now_ += policy_.retry_after;
  EXPECT_THAT(plan().cordons, SizeIs(1));
  EXPECT_THAT(events(), HasSubstr("cordon_failed cuda:0 xid:64 : the disk is full"));
}

TEST_F(HealthEngineActs, TakesNoPlaceToGoToForNoFailedMove) {
  policy_.breaker_failures = 1;
  policy_.moves_per_hour = 1;
  policy_.tries = 1;
  see("xid:64");
  for (int i = 0; i < 5; ++i) {
    const auto wanted = plan();
    ASSERT_THAT(wanted.moves, SizeIs(1)) << i;
    engine().note_not_placed(wanted.moves[0], "no device fits: cordoned", now_);
    EXPECT_EQ(engine().guards().running(), 0U);
    EXPECT_EQ(engine().guards().last_hour(now_), 0U);
    EXPECT_THAT(plan().moves, IsEmpty()) << "it is asked again after a while";
    now_ += policy_.retry_after;
  }
  EXPECT_FALSE(engine().guards().is_breaker_open(now_));
  const auto told = events();
  EXPECT_THAT(told, HasSubstr("waits cuda:0 xid:64 job0: no device fits: cordoned"));
  EXPECT_THAT(told, Not(HasSubstr("its last move failed")));
}

TEST_F(HealthEngineActs, JudgesOpenFaultsByTheNewPolicy) {
  see("xid:64");
  (void)plan();
  policy_.rules.push_back({"xid:64", "", Severity::none, {}, PolicyAction::alert, {}, {}, 1});
  engine().use(policy_, devices_, now_);
  EXPECT_EQ(engine().incidents().all().front().verdict.action, PolicyAction::alert);
  EXPECT_THAT(events(), HasSubstr("judged_anew"));
}

TEST_F(HealthEngineActs, DropsTheFindingsOfAProbeThatIsGone) {
  policy_.probes.push_back({.name = "fan", .device = "cuda:0", .file = "/f"});
  see("probe:fan");
  see("probe_failed:fan", std::string(kHost));
  see("xid:31");
  engine().use(policy_, devices_, now_);
  EXPECT_THAT(engine().incidents().all(), SizeIs(3));
  policy_.probes.clear();
  engine().use(policy_, devices_, now_);
  EXPECT_THAT(engine().incidents().all(), SizeIs(1));
  EXPECT_THAT(events(), HasSubstr("the policy has no such probe any more"));
}

}  // namespace
}  // namespace cardswap::health
