#include "migrator/engine/source/peer_connection.h"

#include <gtest/gtest.h>

#include "tests/unit/migrator/scripted_target.h"

namespace cardswap::test {
namespace {

TEST(PeerConnection, AnAnswerThatCameBeforeItsQuestionIsNone) {
  ReplayingSource source;
  auto& connection = source.context.connection;
  const Digest early{{1}};
  const Digest asked{{2}};
  source.target->say(data::Confirmed{early});
  connection.progress(PeerConnection::Clock::now());
  ASSERT_EQ(connection.answers().confirmed, early);
  source.target->say(data::Confirmed{asked});
  EXPECT_EQ(connection.ask(&TargetAnswers::confirmed, data::Equal{asked}), asked);
}

}  // namespace
}  // namespace cardswap::test
