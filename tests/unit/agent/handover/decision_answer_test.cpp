#include "agent/handover/base/decision_answer.h"

#include <gtest/gtest.h>

#include <boost/json.hpp>

#include "migrator/base/error.h"

namespace cardswap {
namespace {

using handover::Decision;
using handover::Message;
using handover::TargetState;

DecisionAnswer answer_of(Decision decision) {
  DecisionAnswer answer;
  answer.message = {Message::Kind::decision, 3, {}, decision};
  answer.own_epoch = 4;
  return answer;
}

DecisionAnswer read(const DecisionAnswer& answer, TargetState state) {
  return decision_answer_from("gpu-a:7070", 3, state, to_json(answer));
}

TEST(DecisionAnswer, SaysToItsReaderWhatWasDecided) {
  for (const auto decision : {Decision::pending, Decision::aborted}) {
    const auto said = read(answer_of(decision), TargetState::verified);
    EXPECT_EQ(said.message.decision, decision);
    EXPECT_EQ(said.message.epoch, 3U);
    EXPECT_EQ(said.own_epoch, 4U);
    EXPECT_FALSE(said.is_halted);
  }
  auto committed = answer_of(Decision::committed);
  committed.message.content.state_digest.bytes[0] = 1;
  committed.message.content.step = 7;
  const auto said = read(committed, TargetState::verified);
  EXPECT_EQ(said.message, committed.message);
}

TEST(DecisionAnswer, OfASupersededMigrationIsACommitOnlyWhereTheJobIs) {
  auto answer = answer_of(Decision::committed);
  answer.is_superseded = answer.is_halted = true;
  EXPECT_EQ(to_json(answer).at("decision").as_string(), "superseded");
  const auto said = read(answer, TargetState::granted);
  EXPECT_TRUE(said.is_superseded);
  EXPECT_TRUE(said.is_halted);
  EXPECT_EQ(said.message.decision, Decision::committed);
  EXPECT_THROW((void)read(answer, TargetState::verified), Error);
}

/// Agents of other releases read this: a field that goes, or changes its type, is one that they
/// miss.
TEST(DecisionAnswer, HasTheFieldsThatOtherReleasesRead) {
  EXPECT_EQ(boost::json::serialize(to_json(answer_of(Decision::pending))),
            R"({"decision":"pending","epoch":3,"root":"","step":0,"own_epoch":4,"copy":null})");
}

}  // namespace
}  // namespace cardswap
