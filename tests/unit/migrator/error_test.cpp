#include "migrator/base/error.h"

#include <gmock/gmock.h>

#include <stdexcept>
#include <system_error>

#include "migrator/plan/migration_spec.h"

namespace cardswap {
namespace {

TEST(ErrorCode, HasOneNameThatLeadsBackToIt) {
  for (int i = 0; i <= static_cast<int>(Code::internal); ++i) {
    const auto code = static_cast<Code>(i);
    EXPECT_EQ(code_from_string(to_string(code)), code) << i;
  }
}

TEST(ErrorCode, KnowsNoOtherNames) {
  for (const auto* name : {"", "Bad_request", "bad_request ", "unknown", "7"}) {
    EXPECT_EQ(code_from_string(name), std::nullopt) << name;
  }
}

TEST(Error, SaysWhatFailedAndThenWhatToDo) {
  EXPECT_STREQ(Error(Code::io, "disk full", "free some space").what(),
               "disk full; free some space");
  EXPECT_STREQ(Error(Code::io, "disk full").what(), "disk full");
}

TEST(Error, IsWhatEveryForeignExceptionBecomes) {
  const auto become = [](auto exception) { return error_of(std::make_exception_ptr(exception)); };
  const auto ours = become(Error(Code::refused, "no", "ask"));
  EXPECT_EQ(ours.code(), Code::refused);
  EXPECT_STREQ(ours.what(), "no; ask");
  EXPECT_EQ(become(std::bad_alloc()).code(), Code::no_memory);
  EXPECT_EQ(become(std::system_error(ENOSPC, std::generic_category())).code(), Code::io);
  const auto foreign = become(std::out_of_range("map::at"));
  EXPECT_EQ(foreign.code(), Code::internal);
  EXPECT_THAT(foreign.failure(), testing::HasSubstr("map::at"));
  EXPECT_FALSE(foreign.hint().empty());
  EXPECT_EQ(become(7).code(), Code::internal);
}

TEST(Error, NamesTheOuterTasksInFront) {
  const auto error = Error(Code::no_memory, "3 GiB free", "--to another device")
                         .within("reserve on gpu-b")
                         .within("migrate gpt");
  EXPECT_EQ(error.code(), Code::no_memory);
  EXPECT_EQ(error.failure(), "migrate gpt: reserve on gpu-b: 3 GiB free");
  EXPECT_EQ(error.hint(), "--to another device");
}

TEST(Strategy, HasTheNamesThatTheCommandTakes) {
  EXPECT_EQ(to_string(Strategy::automatic), "auto");
  EXPECT_EQ(to_string(Strategy::stop_copy), "stop-copy");
  EXPECT_EQ(to_string(Strategy::rounds), "rounds");
  EXPECT_EQ(to_string(Strategy::replay), "replay");
}

}  // namespace
}  // namespace cardswap
