#include "agent/cli/exit_codes.h"

#include <gtest/gtest.h>

namespace cardswap {
namespace {

TEST(ExitCodes, SayWhetherAnythingWasTouched) {
  EXPECT_EQ(exit_for(Code::bad_request), Exit::usage);
  for (const auto code : {Code::no_memory, Code::refused, Code::unreachable, Code::not_found}) {
    EXPECT_EQ(exit_for(code), Exit::refused);
  }
  for (const auto code : {Code::cancelled, Code::timed_out, Code::not_converging}) {
    EXPECT_EQ(exit_for(code), Exit::aborted);
  }
  EXPECT_EQ(exit_for(Code::in_doubt), Exit::in_doubt);
  EXPECT_EQ(exit_for(Code::link_lost), Exit::failed);
}

}  // namespace
}  // namespace cardswap
