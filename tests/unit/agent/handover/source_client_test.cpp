/// Method: a source's agent that answers as a script says.

#include "agent/handover/target/source_client.h"

#include <gmock/gmock.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_future.hpp>

#include "migrator/base/error.h"
#include "tests/support/scripted_peer.h"

namespace cardswap {
namespace {

using handover::Decision;
using handover::TargetState;
using test::ScriptedPeer;

DecisionAnswer answer_to(const ScriptedPeer& source, TargetState state) {
  boost::asio::io_context context(1);
  DecisionQuestion asked;
  asked.agent = source.address();
  asked.migration = "m-00000001";
  asked.epoch = 3;
  asked.state = state;
  auto said = boost::asio::co_spawn(context, ask_decision(asked), boost::asio::use_future);
  context.run();
  return said.get();
}

TEST(SourceClient, SaysWhichProtocolItSpeaksAndWhatItIs) {
  const ScriptedPeer source([](const auto&) {
    return ScriptedPeer::Answer{R"({"decision": "aborted", "epoch": 3, "own_epoch": 4})"};
  });
  const auto said = answer_to(source, TargetState::verified);
  EXPECT_EQ(said.message.decision, Decision::aborted);
  EXPECT_EQ(said.own_epoch, 4U);
  EXPECT_FALSE(said.is_halted);
  ASSERT_EQ(source.asked().size(), 1U);
  EXPECT_EQ(source.asked().front().target, "/v1/peer/decisions/m-00000001?state=verified");
  EXPECT_EQ(source.asked().front().protocol, "1");
}

TEST(SourceClient, TakesASupersededMigrationForACommitOnlyWhereTheJobIsHere) {
  const ScriptedPeer source([](const auto&) {
    return ScriptedPeer::Answer{
        R"({"decision": "superseded", "epoch": 3, "own_epoch": 4, "copy": "frozen"})"};
  });
  const auto said = answer_to(source, TargetState::granted);
  EXPECT_EQ(said.message.decision, Decision::committed);
  EXPECT_TRUE(said.is_halted);
  EXPECT_THROW((void)answer_to(source, TargetState::verified), Error);
}

TEST(SourceClient, TakesWhatIsNoAnswerForNone) {
  const ScriptedPeer source([](const auto&) { return ScriptedPeer::Answer{"[]"}; });
  try {
    (void)answer_to(source, TargetState::verified);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Code::protocol_mismatch);
  }
}

}  // namespace
}  // namespace cardswap
