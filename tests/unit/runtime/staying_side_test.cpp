#include "runtime/roles/staying_side.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <string>
#include <vector>

namespace cardswap {
namespace {

using S = StayingState;
using W = StayingEvent;
using A = StayingAction;

const std::string kGang = "g-1";
constexpr std::uint64_t kStep = 7;

StayingSide staying_in(StayingState state) {
  return {state, state == S::training ? "" : kGang, kStep};
}
std::vector<StayingState> all_staying_states() {
  std::vector<StayingState> states;
  for (std::size_t i = 0; i < kStayingStates; ++i) states.push_back(static_cast<StayingState>(i));
  return states;
}
std::vector<channel::Message> gang_messages_of(const std::string& gang) {
  return {channel::BuildNext{.gang = gang}, channel::Arm{gang, kStep + 1}, channel::Check{gang},
          channel::SwitchOver{gang, 2},     channel::CloseOld{gang},       channel::Release{gang}};
}

TEST(StayingRules, LeadToEveryStateAndHearEveryEvent) {
  for (const auto state : all_staying_states()) {
    EXPECT_TRUE(std::ranges::any_of(kStayingRules, [&](const auto& rule) {
      return rule.to == state && rule.from != state;
    })) << to_string(state);
  }
  for (std::size_t i = 0; i < kStayingEvents; ++i) {
    const auto event = static_cast<StayingEvent>(i);
    EXPECT_TRUE(std::ranges::any_of(kStayingRules, [&](const auto& rule) {
      return rule.on == event;
    })) << to_string(event);
  }
}

/// One rule that is not the table's, and which of the compiler's checks finds it.
struct StayingMutation {
  const char* name;
  StayingRule rule;
  bool (*check)(std::span<const StayingRule>);
};

std::vector<StayingRule> staying_rules_with(const StayingRule& rule) {
  std::vector<StayingRule> rules(kStayingRules.begin(), kStayingRules.end());
  std::erase_if(rules, [&](const auto& old) { return old.from == rule.from && old.on == rule.on; });
  rules.push_back(rule);
  return rules;
}

class StayingTable : public ::testing::TestWithParam<StayingMutation> {};

TEST_P(StayingTable, IsFoundByItsCheck) {
  EXPECT_TRUE(GetParam().check(kStayingRules));
  EXPECT_FALSE(GetParam().check(staying_rules_with(GetParam().rule)));
}

INSTANTIATE_TEST_SUITE_P(
    OneRule, StayingTable,
    ::testing::Values(StayingMutation{"ASwitchWithoutACheck",
                                      {S::parked, W::switch_over, S::switched, A::switch_over},
                                      it_switches_only_after_its_check},
                      StayingMutation{"ASwitchWithoutAnOrder",
                                      {S::checking, W::check_passed, S::switched, A::switch_over},
                                      it_switches_only_after_its_check},
                      StayingMutation{"ACheckThatFailedIsTakenForGood",
                                      {S::checking, W::check_failed, S::checked, A::report},
                                      it_switches_only_after_its_check},
                      StayingMutation{"ASwitchIsTakenBack",
                                      {S::switched, W::release, S::training, A::release},
                                      a_switch_is_never_taken_back},
                      StayingMutation{"AGangEndsWhatItDidNotBegin",
                                      {S::closed, W::release, S::closed, A::release},
                                      a_switch_is_never_taken_back},
                      StayingMutation{"AParkedRankGoesBackByItself",
                                      {S::checking, W::check_failed, S::training, A::release},
                                      a_parked_rank_goes_on_only_by_its_agent},
                      StayingMutation{"ACheckedRankIsArmedForALaterStep",
                                      {S::checked, W::gate_set, S::armed, A::report},
                                      a_parked_rank_goes_on_only_by_its_agent},
                      StayingMutation{"ARankChecksOnItsWay",
                                      {S::armed, W::check, S::checking, A::check},
                                      it_checks_only_where_it_stands},
                      StayingMutation{"ALateGateIsTakenForSet",
                                      {S::built, W::gate_late, S::armed, A::report},
                                      it_checks_only_where_it_stands},
                      StayingMutation{"ARankIsArmedWithoutTheNextCommunicator",
                                      {S::building, W::gate_set, S::armed, A::report},
                                      it_checks_only_where_it_stands},
                      StayingMutation{"TheOldOneIsClosedBeforeTheFirstStep",
                                      {S::switched, W::close_old, S::closed, A::close},
                                      the_old_one_is_closed_after_the_first_step},
                      StayingMutation{"ACheckedRankDoesNotObeyItsRelease",
                                      {S::checked, W::release, S::checked, A::answer},
                                      it_is_released_from_each_state_before_the_switch},
                      StayingMutation{"AnIgnoredMessageIsObeyedAsWell",
                                      {S::building, W::arm, S::building, A::arm},
                                      every_message_of_an_agent_has_an_answer}),
    [](const auto& info) { return std::string(info.param.name); });

TEST(StayingSide, WalksFromItsFirstMessageToTheEndOfTheOldCommunicator) {
  StayingSide side;
  EXPECT_EQ(side.on(channel::BuildNext{.gang = kGang}), A::build);
  EXPECT_EQ(side.on(channel::BuildNext{.gang = kGang}), A::none) << "it is at it";
  EXPECT_EQ(side.on(W::next_built, kGang), A::report);
  EXPECT_EQ(side.on(channel::BuildNext{.gang = kGang}), A::report) << "the same answer";
  EXPECT_EQ(side.on(channel::Arm{kGang, kStep}), A::arm);
  EXPECT_EQ(side.gate_answered(true, kStep), A::report);
  EXPECT_EQ(side.on(W::reached), A::report);
  EXPECT_EQ(side.on(channel::Check{kGang}), A::check);
  EXPECT_EQ(side.on(W::check_passed, kGang), A::report);
  EXPECT_EQ(side.on(channel::SwitchOver{kGang, 2}), A::switch_over);
  EXPECT_EQ(side.on(channel::SwitchOver{kGang, 2}), A::none) << "its first step is under way";
  EXPECT_EQ(side.on(W::stepped), A::report);
  EXPECT_EQ(side.on(channel::SwitchOver{kGang, 2}), A::report) << "to an agent that has forgotten";
  EXPECT_EQ(side.on(channel::CloseOld{kGang}), A::close);
  EXPECT_EQ(side.on(channel::SwitchOver{kGang, 2}), A::report);
  EXPECT_EQ(side.on(channel::BuildNext{.gang = kGang}), A::none) << "that gang is over";
  EXPECT_EQ(side.on(channel::BuildNext{.gang = "g-2"}), A::build);
  EXPECT_EQ(side.gang(), "g-2");
}

TEST(StayingSide, StandsAnewForALaterStepAndStillForTheSame) {
  auto side = staying_in(S::parked);
  EXPECT_EQ(side.on(channel::Arm{kGang, kStep}), A::arm);
  EXPECT_EQ(side.gate_answered(true, kStep), A::report);
  EXPECT_EQ(side.state(), S::parked);
  EXPECT_EQ(side.gate_answered(false, kStep), A::report) << "late for an earlier one";
  EXPECT_EQ(side.state(), S::parked);
  EXPECT_EQ(side.gate_answered(true, kStep + 2), A::report);
  EXPECT_EQ(side.state(), S::armed);
  EXPECT_EQ(side.step(), kStep + 2);
  EXPECT_EQ(side.on(channel::Check{kGang}), A::none) << "it does not stand";
  EXPECT_EQ(side.on(W::reached), A::report);
  EXPECT_EQ(side.on(channel::Check{kGang}), A::check);
}

TEST(StayingSide, IsFreeAfterAReleaseWhereverItWasBeforeTheSwitch) {
  for (const auto state :
       {S::building, S::build_failed, S::built, S::armed, S::parked, S::checking, S::checked}) {
    auto side = staying_in(state);
    EXPECT_EQ(side.on(channel::Release{kGang}), A::release) << to_string(state);
    EXPECT_EQ(side.state(), S::training);
    EXPECT_EQ(side.gang(), "");
    EXPECT_EQ(side.on(channel::Release{kGang}), A::answer) << "a second one is answered, too";
    for (const auto late : {W::next_built, W::not_built, W::check_passed, W::check_failed}) {
      EXPECT_EQ(side.on(late, kGang), A::none) << to_string(late);
    }
    EXPECT_EQ(side.on(channel::BuildNext{.gang = "g-2"}), A::build);
  }
}

TEST(StayingSide, DoesNotGoBackOnceItHasSwitched) {
  for (const auto state : {S::switched, S::confirmed}) {
    auto side = staying_in(state);
    EXPECT_EQ(side.on(channel::Release{kGang}), A::none) << to_string(state);
    EXPECT_EQ(side.state(), state);
  }
}

TEST(StayingSide, IgnoresAnotherGangWhateverItIsIn) {
  for (const auto state : all_staying_states()) {
    if (state == S::training) continue;
    for (const auto& message : gang_messages_of("g-2")) {
      if (std::holds_alternative<channel::BuildNext>(message) && state == S::closed) continue;
      auto side = staying_in(state);
      EXPECT_EQ(side.on(message), A::none) << to_string(state) << " " << message.index();
      EXPECT_EQ(side.state(), state);
      EXPECT_EQ(side.gang(), kGang);
    }
  }
}

}  // namespace
}  // namespace cardswap
