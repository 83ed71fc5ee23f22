#include "agent/handover/protocol/source_rules.h"

#include <gtest/gtest.h>

namespace cardswap {
namespace {

TEST(Rules, NameEveryState) {
  for (std::size_t i = 0; i < handover::kSourceStates; ++i) {
    const auto state = static_cast<handover::SourceState>(i);
    EXPECT_EQ(named<handover::SourceState>(handover::to_string(state)), state);
  }
  EXPECT_FALSE(named<handover::SourceState>("flying").has_value());
}

TEST(Rules, LetNothingFailOnceCommittedButAProvenLossOfTheTarget) {
  using enum handover::SourceState;
  for (const auto state : {committed, resumed, completed, aborted}) {
    EXPECT_FALSE(
        rule_for(handover::kSourceRules, state, handover::SourceEvent::failed).has_value());
  }
  const auto reclaim =
      rule_for(handover::kSourceRules, committed, handover::SourceEvent::target_is_gone);
  ASSERT_TRUE(reclaim.has_value());
  EXPECT_EQ(reclaim->then, handover::SourceAction::reclaim);
}

}  // namespace
}  // namespace cardswap
