#include "agent/gang/failpoint.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "migrator/base/error.h"

namespace cardswap::gang {
namespace {

bool has(const Failpoint& failpoint, GangEvent event) {
  return std::ranges::any_of(failpoint.rules(),
                             [&](const GangRule& rule) { return rule.on == event; });
}

TEST(Failpoint, OfAStateHoldsWhatIsSentThereAndNothingElse) {
  Failpoint failpoint("committed");
  EXPECT_TRUE(failpoint.holds(GangState::committed));
  EXPECT_FALSE(failpoint.holds(GangState::freezing));
  EXPECT_EQ(failpoint.rules().size(), kGangRules.size());
  failpoint.proceed();
  EXPECT_FALSE(failpoint.holds(GangState::committed));
}

TEST(Failpoint, OfAnEventKeepsItFromHappeningInAnyState) {
  Failpoint failpoint("all_granted");
  EXPECT_FALSE(has(failpoint, GangEvent::all_granted));
  EXPECT_TRUE(has(failpoint, GangEvent::all_ready));
  EXPECT_FALSE(failpoint.holds(GangState::committed));
  failpoint.proceed();
  EXPECT_TRUE(has(failpoint, GangEvent::all_granted));
}

TEST(Failpoint, WithoutANameHoldsNothingAndAnUnknownOneIsRefused) {
  const Failpoint none{std::string()};
  EXPECT_FALSE(none.holds(GangState::planned));
  EXPECT_EQ(none.rules().size(), kGangRules.size());
  EXPECT_THROW(Failpoint("verifying"), Error);
}

}  // namespace
}  // namespace cardswap::gang
