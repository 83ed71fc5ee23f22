#include "agent/handover/base/data_key.h"

#include <gmock/gmock.h>

#include "tests/support/heard_log.h"

namespace cardswap {
namespace {

Code code_of(const auto& act) {
  try {
    act();
  } catch (const Error& error) {
    return error.code();
  }
  return Code::internal;
}

TEST(DataKey, HasToComeWhereTheDataIsToBeEncrypted) {
  MigrationSpec spec;
  EXPECT_NO_THROW(check_key_was_given(spec, {}, "b:7070/cpu:0"));
  spec.encrypt = true;
  EXPECT_EQ(code_of([&] { check_key_was_given(spec, {}, "b:7070/cpu:0"); }), Code::refused);
  EXPECT_NO_THROW(
      check_key_was_given(spec, {.host = "b", .port = 1, .token = "", .key = "k"}, "b:7070/cpu:0"));
}

TEST(DataKey, GoesInTheClearOnLoopbackAloneAndTheLogSaysSo) {
  EXPECT_EQ(code_of([] { check_key_may_go_in_the_clear("b:7070/cpu:0", "job gpt"); }),
            Code::refused);
  const test::HeardLog log;
  EXPECT_NO_THROW(check_key_may_go_in_the_clear("127.0.0.1:7070/cpu:0", "job gpt"));
  EXPECT_THAT(log.text(), ::testing::HasSubstr("job gpt: encrypted"));
}

}  // namespace
}  // namespace cardswap
