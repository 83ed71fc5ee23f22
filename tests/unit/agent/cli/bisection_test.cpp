#include "agent/cli/snapshots/bisection.h"

#include <gmock/gmock.h>

namespace cardswap::cli {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

/// Probes until the search is over, with `verdict_on`; returns how many were probed.
template <class VerdictOn>
std::size_t search(Bisection& bisection, VerdictOn verdict_on) {
  std::size_t probed = 0;
  while (const auto index = bisection.next()) {
    bisection.note(*index, verdict_on(*index));
    ++probed;
  }
  return probed;
}

TEST(Bisection, FindsTheFirstBadOneWhereverItIs) {
  for (std::size_t count = 2; count <= 40; ++count) {
    for (std::size_t first_bad = 1; first_bad < count; ++first_bad) {
      Bisection bisection(count);
      const auto probed = search(bisection, [&](std::size_t index) {
        return index < first_bad ? ProbeVerdict::good : ProbeVerdict::bad;
      });
      EXPECT_EQ(bisection.bad(), first_bad) << "of " << count;
      EXPECT_EQ(bisection.good(), first_bad - 1);
      EXPECT_THAT(bisection.between(), IsEmpty());
      EXPECT_LE(std::size_t{1} << probed, 4 * count) << "by halves";
    }
  }
}

TEST(Bisection, ProbesANeighbourOfASkippedOne) {
  Bisection bisection(9);
  EXPECT_EQ(bisection.next(), 4U);
  bisection.note(4, ProbeVerdict::skipped);
  EXPECT_EQ(bisection.next(), 3U);
}

TEST(Bisection, TellsWhichOfTheSkippedMayBeTheFirstBadOne) {
  Bisection bisection(10);
  (void)search(bisection, [](std::size_t index) {
    if (index == 5 || index == 6) return ProbeVerdict::skipped;
    return index < 6 ? ProbeVerdict::good : ProbeVerdict::bad;
  });
  EXPECT_EQ(bisection.good(), 4U);
  EXPECT_EQ(bisection.bad(), 7U);
  EXPECT_THAT(bisection.between(), ElementsAre(5U, 6U));
}

TEST(Bisection, OfTwoIsOverAtOnce) {
  const Bisection bisection(2);
  EXPECT_EQ(bisection.next(), std::nullopt);
  EXPECT_EQ(bisection.bad(), 1U);
}

}  // namespace
}  // namespace cardswap::cli
