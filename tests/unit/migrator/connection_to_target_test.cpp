#include "migrator/engine/source/sending/connection_to_target.h"

#include <gtest/gtest.h>

#include "tests/unit/migrator/scripted_target.h"

namespace cardswap::test {
namespace {

TEST(ConnectionToTarget, AnAnswerThatCameBeforeItsQuestionIsNone) {
  ReplayingSource source;
  auto& connection = source.context.connection;
  const Digest early{{1}};
  const Digest asked{{2}};
  source.target->say(data::Confirmed{early});
  connection.progress(ConnectionToTarget::Clock::now());
  ASSERT_EQ(connection.answers().confirmed, early);
  source.target->say(data::Confirmed{asked});
  EXPECT_EQ(connection.ask(&TargetAnswers::confirmed, data::Equal{asked}), asked);
}

}  // namespace
}  // namespace cardswap::test
