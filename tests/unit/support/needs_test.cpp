#include "tests/support/needs.h"

#include <gmock/gmock.h>
#include <gtest/gtest-spi.h>

#include <cstdlib>

using namespace cardswap::test;
using ::testing::HasSubstr;

namespace {

/// What skip_without("criu") does to a test where CARDSWAP_REQUIRE is `list`.
::testing::TestPartResult outcome(const char* list) {
  ::setenv("CARDSWAP_REQUIRE", list, 1);
  ::testing::TestPartResultArray results;
  {
    const ::testing::ScopedFakeTestPartResultReporter reporter(
        ::testing::ScopedFakeTestPartResultReporter::INTERCEPT_ALL_THREADS, &results);
    skip_without("criu", "version 3.17 is too old");
  }
  ::unsetenv("CARDSWAP_REQUIRE");
  EXPECT_EQ(results.size(), 1);
  return results.GetTestPartResult(0);
}

TEST(Needs, ATestIsSkippedWithItsReasonWhereNobodyRequiresIt) {
  for (const auto* list : {"", "netns", "netns,promtool"}) {
    const auto result = outcome(list);
    EXPECT_TRUE(result.skipped()) << list;
    EXPECT_THAT(result.message(), HasSubstr("needs criu: version 3.17 is too old"));
  }
}

TEST(Needs, ATestFailsWhereItsMachineMustHaveWhatItNeeds) {
  for (const auto* list : {"criu", "netns,criu", "criu,netns"}) {
    const auto result = outcome(list);
    EXPECT_TRUE(result.fatally_failed()) << list;
    EXPECT_THAT(result.message(), HasSubstr("must have 'criu': version 3.17 is too old"));
  }
}

TEST(Needs, AWordThatDemandsNothingIsAnError) {
  EXPECT_THROW((void)is_required("criu,netsn", "criu"), std::invalid_argument);
  EXPECT_THROW((void)is_required(" criu", "criu"), std::invalid_argument);
}

}  // namespace
