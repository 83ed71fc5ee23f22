#include "agent/health/decisions/guards.h"

#include <gmock/gmock.h>

#include <boost/json.hpp>

namespace cardswap::health {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr Ms kNow = 1'700'000'000'000;
constexpr Ms kHour = 3'600'000;

TEST(Guards, AreAfterARestartWhatTheyWere) {
  const Policy policy;
  Guards before(policy);
  before.note_started("u1", kNow - 2);
  before.note_started("u2", kNow - 1);
  before.note_ended("u2", true, kNow);
  before.note_device_resolved("cuda:0", kNow);

  Guards after(policy);
  after.restore(boost::json::parse(boost::json::serialize(before.record())).as_object(), kNow);

  EXPECT_THAT(after.moving_jobs(), ElementsAre("u1"));
  EXPECT_EQ(after.last_hour(kNow), 2U);
  EXPECT_EQ(after.job_free_at("u2", 0), kNow + policy.job_cooldown);
  EXPECT_EQ(after.device_free_at("cuda:0"), kNow + policy.device_cooldown);
}

TEST(Guards, TakeNoTimesAheadOfTheClockFromTheJournal) {
  const Policy policy;
  Guards guards(policy);
  const boost::json::object record{{"starts", {kNow + 10 * kHour, "x", nullptr}},
                                   {"running", 7},
                                   {"open_until_ms", kNow + 100 * kHour},
                                   {"why_open", "it was"}};
  guards.restore(record, kNow);
  EXPECT_THAT(guards.hold_reason(kNow), HasSubstr("it was"));
  EXPECT_FALSE(guards.is_breaker_open(kNow + policy.breaker_reset));
  EXPECT_EQ(guards.last_hour(kNow + kHour), 0U);
}

}  // namespace
}  // namespace cardswap::health
