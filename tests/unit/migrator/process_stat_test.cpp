#include "migrator/base/process_stat.h"

#include <gtest/gtest.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <array>

namespace cardswap {
namespace {

TEST(ProcessStat, IsReadWhateverTheProcessIsCalled) {
  std::array<char, 16> name{};
  ASSERT_EQ(::prctl(PR_GET_NAME, name.data()), 0);
  const auto before = process_stat_of(::getpid());
  ASSERT_EQ(::prctl(PR_SET_NAME, "a) S 1\n7) 8"), 0);
  const auto after = process_stat_of(::getpid());
  ::prctl(PR_SET_NAME, name.data());
  ASSERT_TRUE(before && after);
  EXPECT_NE(before->start_time, 0U);
  EXPECT_EQ(after->start_time, before->start_time);
  EXPECT_EQ(after->state, 'R');
}

TEST(ProcessStat, OfNobodyIsNone) { EXPECT_FALSE(process_stat_of(1 << 30)); }

}  // namespace
}  // namespace cardswap
