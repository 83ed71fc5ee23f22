#include "agent/health/decisions/decision_engine.h"

#include <fmt/format.h>
#include <gmock/gmock.h>

#include <boost/json.hpp>

#include "tests/unit/agent/health/engine_of_a_host.h"

namespace cardswap::health {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr Ms kSecond = 1000;
constexpr Ms kMinute = 60 * kSecond;

/// A host of four devices.
class HealthEngine : public EngineOfAHost {
 protected:
  HealthEngine() : EngineOfAHost(4) { policy_.breaker_devices_percent = 100; }
  void alert(const std::string& name, const std::string& who, bool firing,
             const std::string& device = "cuda:0") {
    Finding finding;
    finding.device = device;
    finding.code = "alert:" + name;
    finding.source = FaultSource::alert;
    finding.at = now_;
    finding.firing = firing;
    finding.lasting = true;
    finding.who = who;
    engine().observe(finding);
  }
  /// Moves that start now.
  std::vector<std::string> moves() {
    std::vector<std::string> names;
    last_ = plan();
    for (const auto& cordon : last_.cordons) {
      if (!cordon.dry_run) engine().note_cordoned(cordon.incident, now_);
    }
    for (const auto& move : last_.moves) names.push_back(move.job);
    return names;
  }
  void end(const Move& move, bool moved) {
    engine().note_move_ended(move.incident, move.job_uid, moved, now_);
    if (moved) std::erase_if(jobs_, [&](const auto& job) { return job.uid == move.job_uid; });
  }

  Plan last_;
};

TEST_F(HealthEngine, TakesWhatTwoSourcesSeeForOneFault) {
  see("xid:64", "cuda:0", FaultSource::kernel_log);
  now_ += 200;
  see("xid:64", "cuda:0", FaultSource::nvml);
  see("row_remap:failed", "cuda:0", FaultSource::nvml);
  ASSERT_THAT(engine().incidents().all(), SizeIs(1));
  EXPECT_EQ(engine().incidents().all().front().count, 1U);
  EXPECT_THAT(moves(), ElementsAre("job0"));
  EXPECT_THAT(events(), HasSubstr("merged cuda:0 xid:64 : nvml saw it too"));
}

TEST_F(HealthEngine, CountsNoFaultTwiceBecauseTwoSourcesSawIt) {
  see("xid:39", "cuda:0", FaultSource::kernel_log);
  see("xid:39", "cuda:0", FaultSource::nvml);
  EXPECT_THAT(moves(), IsEmpty());
  now_ += kMinute;
  see("xid:39", "cuda:0", FaultSource::nvml);
  EXPECT_THAT(moves(), ElementsAre("job0"));
}

TEST_F(HealthEngine, OnlySaysWhatItWouldDoUntilItMayAct) {
  policy_.act = false;
  see("xid:64");
  ASSERT_THAT(moves(), ElementsAre("job0"));
  EXPECT_TRUE(last_.moves[0].dry_run);
  ASSERT_THAT(last_.cordons, SizeIs(1));
  EXPECT_TRUE(last_.cordons[0].dry_run);
  EXPECT_THAT(events(), HasSubstr("would_cordon cuda:0"));
  EXPECT_THAT(moves(), IsEmpty());
  EXPECT_EQ(engine().guards().running(), 0U);
}

TEST_F(HealthEngine, NeverCopiesFromMemoryThatIsNotTrusted) {
  for (const auto* code : {"xid:95", "xid:140", "xid:62", "recovery:gpu_reset"}) {
    engine_.reset();
    see(code);
    EXPECT_THAT(moves(), IsEmpty()) << code;
    ASSERT_THAT(last_.cordons, SizeIs(1)) << code;
    EXPECT_EQ(last_.cordons[0].device, "cuda:0");
    EXPECT_THAT(events(), HasSubstr("must not be copied")) << code;
    // A later reason to move does not make it trusted.
    see("xid:64");
    EXPECT_THAT(moves(), IsEmpty()) << code;
    EXPECT_THAT(events(), HasSubstr("not_moved cuda:0 xid:64 job0")) << code;
  }
}

TEST_F(HealthEngine, MovesTheNeighboursOfADeviceThatIsGone) {
  policy_.moves_at_once = 8;
  see("xid:79", "cuda:2");
  EXPECT_THAT(moves(), ElementsAre("job0", "job1", "job3"));
  EXPECT_THAT(last_.cordons, SizeIs(4));
  for (const auto& move : last_.moves) EXPECT_TRUE(move.leave_host);
  const auto told = events();
  EXPECT_THAT(told, HasSubstr("the device is gone"));
  EXPECT_THAT(told, HasSubstr("not_moved cuda:2 xid:79 job2"));
}

TEST_F(HealthEngine, WaitsAMomentForWhatExplainsADoubleBitError) {
  see("xid:48");
  EXPECT_THAT(moves(), IsEmpty());
  EXPECT_THAT(last_.cordons, IsEmpty());
  see("xid:64");  // nothing is copied meanwhile
  EXPECT_THAT(moves(), IsEmpty());
  now_ += 300;
  see("xid:95");
  EXPECT_THAT(events(), HasSubstr("resolved cuda:0 xid:48 : xid:95 says what it was"));
  engine_.reset();
  see("xid:48");
  now_ += kSecond;
  EXPECT_THAT(moves(), IsEmpty());
  EXPECT_THAT(last_.cordons, SizeIs(1));
}

TEST_F(HealthEngine, MovesWhoSharesTheDeviceOfAContainedErrorButNotItsVictim) {
  jobs_.push_back({"tenant", "uid9", "cuda:0", 900, 0, {}});
  Finding finding;
  finding.device = "cuda:0";
  finding.code = "xid:94";
  finding.source = FaultSource::nvml;
  finding.at = now_;
  engine().observe(finding);
  EXPECT_THAT(moves(), IsEmpty());  // NVML does not say whose it was
  finding.source = FaultSource::kernel_log;
  finding.pid = 100;
  engine().observe(finding);
  EXPECT_THAT(moves(), ElementsAre("tenant"));
}

TEST_F(HealthEngine, StartsNoMoreMovesAtOnceThanTheBudget) {
  see("xid:79", "cuda:2");
  EXPECT_THAT(moves(), SizeIs(2));
  const auto started = last_.moves;
  EXPECT_THAT(moves(), IsEmpty());
  EXPECT_THAT(events(), HasSubstr("waits cuda:2 xid:79 job3: 2 moves run already"));
  now_ += kSecond;
  end(started[0], true);
  EXPECT_THAT(moves(), ElementsAre("job3"));
}

TEST_F(HealthEngine, StaysUnderTheBudgetInAStormOfAlerts) {
  policy_.rules.push_back({"alert:*", "", Severity::none, {}, PolicyAction::migrate, {}, {}, 1});
  policy_.moves_per_hour = 1000;
  std::size_t most = 0;
  for (int i = 0; i < 1000; ++i) {
    alert(fmt::format("Storm{}", i % 7), fmt::format("{}", i), true, fmt::format("cuda:{}", i % 4));
    (void)moves();
    most = std::max(most, engine().guards().running());
  }
  EXPECT_EQ(most, 2U);
  EXPECT_LE(engine().incidents().all().size(), 28U);
}

TEST_F(HealthEngine, KeepsTheHourlyLimit) {
  policy_.moves_per_hour = 1;
  see("xid:64", "cuda:0");
  see("xid:64", "cuda:1");
  ASSERT_THAT(moves(), ElementsAre("job0"));
  end(last_.moves[0], true);
  EXPECT_THAT(moves(), IsEmpty());
  now_ += 61 * kMinute;
  EXPECT_THAT(moves(), ElementsAre("job1"));
}

TEST_F(HealthEngine, LetsAJobThatHasJustMovedRestUnlessItsDeviceIsBroken) {
  jobs_[0].arrived = now_ - kMinute;
  jobs_[1].arrived = now_ - kMinute;
  see("xid:63", "cuda:0");
  see("xid:64", "cuda:1");
  EXPECT_THAT(moves(), ElementsAre("job1"));
  EXPECT_THAT(events(), HasSubstr("waits cuda:0 xid:63 job0: it moved a short while ago"));
  now_ += policy_.job_cooldown;
  see("xid:63", "cuda:0");
  EXPECT_THAT(moves(), ElementsAre("job0"));
}

TEST_F(HealthEngine, OpensItsBreakerWhenMovesFailAndStopsMoving) {
  policy_.breaker_failures = 2;
  policy_.tries = 10;
  policy_.retry_after = kSecond;
  see("xid:64");
  ASSERT_THAT(moves(), ElementsAre("job0"));
  end(last_.moves[0], false);
  EXPECT_THAT(moves(), IsEmpty());
  now_ += kSecond;
  ASSERT_THAT(moves(), ElementsAre("job0"));
  end(last_.moves[0], false);
  now_ += kSecond;
  EXPECT_THAT(moves(), IsEmpty());
  EXPECT_THAT(events(), HasSubstr("breaker_open"));
  EXPECT_TRUE(engine().guards().is_breaker_open(now_));
  engine().close_breaker("looked at it", now_);
  EXPECT_THAT(moves(), ElementsAre("job0"));
}

TEST_F(HealthEngine, OpensItsBreakerWhenMostDevicesTurnSickAtOnce) {
  policy_.breaker_devices_percent = 50;
  for (int i = 0; i < 3; ++i) see("xid:64", fmt::format("cuda:{}", i));
  EXPECT_THAT(moves(), IsEmpty());
  EXPECT_THAT(last_.cordons, IsEmpty());
  EXPECT_THAT(events(), HasSubstr("3 of 4 devices turned sick"));
  now_ += policy_.breaker_reset;
  EXPECT_THAT(moves(), SizeIs(2));
}

TEST_F(HealthEngine, GivesUpOnAJobThatFailsToMove) {
  policy_.tries = 1;
  see("xid:64");
  ASSERT_THAT(moves(), ElementsAre("job0"));
  end(last_.moves[0], false);
  now_ += 10 * policy_.retry_after;
  EXPECT_THAT(moves(), IsEmpty());
  EXPECT_THAT(events(), HasSubstr("an operator must look"));
}

TEST_F(HealthEngine, ActsOnASlowdownOnlyWhenItLasts) {
  Finding finding;
  finding.device = "cuda:0";
  finding.code = "throttle:hw_thermal";
  finding.at = now_;
  finding.lasting = true;
  engine().observe(finding);
  EXPECT_THAT(moves(), IsEmpty());
  now_ += 10 * kSecond;
  finding.at = now_;
  finding.firing = false;
  engine().observe(finding);
  EXPECT_THAT(engine().incidents().all(), IsEmpty());
  finding.firing = true;
  engine().observe(finding);
  now_ += 30 * kSecond;
  EXPECT_THAT(moves(), ElementsAre("job0"));
}

TEST_F(HealthEngine, DropsAMoveThatHasNotStartedWhenTheAlertIsResolved) {
  policy_.moves_at_once = 1;
  policy_.rules.push_back({"alert:*", "", Severity::none, {}, PolicyAction::migrate, {}, {}, 1});
  alert("Hot", "a", true, "cuda:0");
  alert("Hot", "b", true, "cuda:1");
  ASSERT_THAT(moves(), ElementsAre("job0"));
  alert("Hot", "b", false, "cuda:1");
  end(last_.moves[0], true);
  EXPECT_THAT(moves(), IsEmpty());
}

TEST_F(HealthEngine, KnowsAnAlertByItsFingerprint) {
  alert("Hot", "a", true);
  alert("Hot", "b", true);
  alert("Hot", "a", true);  // Alertmanager repeats itself
  ASSERT_THAT(engine().incidents().all(), SizeIs(1));
  EXPECT_EQ(engine().incidents().all().front().count, 1U);
  alert("Hot", "a", false);
  EXPECT_EQ(engine().incidents().all().front().phase, Phase::active);
  alert("Hot", "b", false);
  EXPECT_EQ(engine().incidents().all().front().phase, Phase::quiet);
  now_ += policy_.resolve_after;
  (void)moves();
  EXPECT_THAT(engine().incidents().all(), IsEmpty());
}

TEST_F(HealthEngine, KeepsABrokenDeviceBrokenUntilAnOperatorSaysOtherwise) {
  see("xid:79");
  see("xid:31", "cuda:1");
  now_ += 100 * policy_.resolve_after;
  (void)moves();
  ASSERT_THAT(engine().incidents().all(), SizeIs(1));
  EXPECT_FALSE(engine().incidents().is_trusted("cuda:0"));
  EXPECT_FALSE(engine().incidents().is_usable("cuda:3"));  // the host is to be rebooted
  EXPECT_EQ(engine().clear("cuda:0", "it was replaced", now_), 1U);
  EXPECT_TRUE(engine().incidents().is_trusted("cuda:0"));
  EXPECT_THAT(events(), HasSubstr("by an operator: it was replaced"));
}

TEST_F(HealthEngine, SurvivesARestart) {
  see("xid:95");
  (void)moves();
  const auto record = to_json(engine().incidents().all().front());
  engine_.reset();
  engine().restore(incident_from_journal(record));
  EXPECT_FALSE(engine().incidents().is_trusted("cuda:0"));
  EXPECT_THAT(moves(), IsEmpty());
  EXPECT_THAT(last_.cordons, IsEmpty());  // that was done
  EXPECT_EQ(boost::json::serialize(to_json(engine().incidents().all().front())),
            boost::json::serialize(record));
}

TEST_F(HealthEngine, LeavesAJobAloneThatThePolicyNames) {
  policy_.stay = {"job0"};
  see("xid:64");
  EXPECT_THAT(moves(), IsEmpty());
  EXPECT_THAT(events(), HasSubstr("the policy says that it stays"));
}

TEST_F(HealthEngine, IsBoundedWhateverIsPosted) {
  for (int i = 0; i < 5000; ++i)
    alert(fmt::format("A{}", i), "x", true, fmt::format("d{}", i % 100));
  EXPECT_LE(engine().incidents().all().size(), 512U);
  EXPECT_LE(engine().take_events().size(), 256U);
}

TEST_F(HealthEngine, SavesFirstWhatMayBeLostNext) {
  policy_.moves_at_once = 1;
  see("xid:63", "cuda:0");
  see("xid:64", "cuda:1");
  see("xid:119", "cuda:3");
  ASSERT_THAT(moves(), ElementsAre("job3"));
  EXPECT_TRUE(last_.moves[0].is_urgent);
}

TEST_F(HealthEngine, ARestartOfTheAgentMakesNoBudgetNew) {
  policy_.moves_at_once = 2;
  policy_.moves_per_hour = 3;
  for (const auto& device : devices_) see("xid:64", device.name);
  ASSERT_THAT(moves(), SizeIs(2));
  const auto restart = [&] {
    const auto before = std::move(engine_);
    for (const auto& incident : before->incidents().all()) {
      engine().restore(incident_from_journal(to_json(incident)));
    }
    engine().restore_guards(before->guards().record(), now_);
  };
  const auto first = last_.moves[0];
  restart();
  EXPECT_THAT(moves(), IsEmpty()) << "two run, whoever began them";
  EXPECT_THAT(engine().guards().moving_jobs(), SizeIs(2));
  end(first, true);
  EXPECT_THAT(moves(), SizeIs(1));
  restart();
  for (const auto& uid : engine().guards().moving_jobs()) engine().forget_move(uid);
  EXPECT_THAT(moves(), IsEmpty()) << "three within an hour";
  now_ += 61 * kMinute;
  EXPECT_THAT(moves(), SizeIs(2));
}

TEST_F(HealthEngine, AFaultThatWaitsStillWaitsAfterARestart) {
  policy_.rules.emplace_back();
  policy_.rules.back().code = "alert:Hot";
  policy_.rules.back().action = PolicyAction::migrate;
  policy_.rules.back().hold = kMinute;
  alert("Hot", "1", true);
  const auto before = std::move(engine_);
  engine().restore(incident_from_journal(to_json(before->incidents().all().front())));
  now_ += 30 * kSecond;
  EXPECT_THAT(moves(), IsEmpty());
  now_ += 31 * kSecond;
  EXPECT_THAT(moves(), ElementsAre("job0"));
}

}  // namespace
}  // namespace cardswap::health
