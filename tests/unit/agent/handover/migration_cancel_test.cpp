#include "agent/handover/source/migration_cancel.h"

#include <gmock/gmock.h>

#include <string>
#include <vector>

namespace cardswap {
namespace {

using handover::SourceState;
using ::testing::HasSubstr;

/// What `cancel` says of a migration in that state. Empty: it may be cancelled.
std::string why_not_cancelled(SourceState state) {
  MigrationRecord record;
  record.id = "m-1";
  record.side = handover::SourceSide({state, 2, 1});
  try {
    check_cancel(Migration(std::move(record), std::vector<TransferRecord>(1)));
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Code::conflict);
    EXPECT_FALSE(error.hint().empty());
    return error.failure();
  }
  return {};
}

TEST(MigrationCancel, IsForWhatCanFail) {
  for (std::size_t i = 0; i < handover::kSourceStates; ++i) {
    const auto state = static_cast<SourceState>(i);
    const bool can_fail =
        rule_for(handover::kSourceRules, state, handover::SourceEvent::failed).has_value();
    EXPECT_EQ(why_not_cancelled(state).empty(), can_fail) << to_string(state);
  }
}

TEST(MigrationCancel, SaysWhatBecameOfWhatIsOver) {
  for (const auto state : {SourceState::completed, SourceState::aborted, SourceState::superseded,
                           SourceState::stored}) {
    EXPECT_THAT(why_not_cancelled(state), HasSubstr("is over")) << to_string(state);
  }
  EXPECT_THAT(why_not_cancelled(SourceState::aborting), HasSubstr("being given up already"));
  EXPECT_THAT(why_not_cancelled(SourceState::in_doubt), HasSubstr("cannot be taken back"));
}

}  // namespace
}  // namespace cardswap
