#include "migrator/store/workers.h"

#include <gmock/gmock.h>
#include <sys/resource.h>

#include <algorithm>
#include <atomic>
#include <stdexcept>
#include <vector>

namespace cardswap::store {
namespace {

using ::testing::Each;

TEST(Workers, DoEachItemOnce) {
  for (const unsigned threads : {0U, 1U, 3U}) {
    Workers workers(threads);
    for (const std::size_t items : {0U, 1U, 2U, 100U}) {
      std::vector<int> done(items);
      std::vector<std::atomic<bool>> busy(workers.slots());
      workers.for_each(items, [&](std::size_t item, unsigned slot) {
        EXPECT_FALSE(busy.at(slot).exchange(true)) << "two items have one slot";
        ++done.at(item);
        busy.at(slot) = false;
      });
      EXPECT_THAT(done, Each(1)) << threads;
    }
  }
}

/// Method: each item waits until the other one has begun.
TEST(Workers, WorkAtTheSameTime) {
  Workers workers(2);
  ASSERT_EQ(workers.slots(), 2U);
  std::atomic<int> begun{0};
  workers.for_each(2, [&](std::size_t, unsigned) {
    ++begun;
    begun.notify_all();
    for (int now = begun; now < 2; now = begun) begun.wait(now);
  });
  EXPECT_EQ(begun, 2);
}

TEST(Workers, TellWhatAnItemHasThrownAndGoOn) {
  for (const unsigned threads : {0U, 1U, 2U}) {
    Workers workers(threads);
    std::atomic<int> done{0};
    EXPECT_THROW(workers.for_each(1000,
                                  [&](std::size_t item, unsigned) {
                                    if (item == 3) throw std::runtime_error("item 3");
                                    ++done;
                                  }),
                 std::runtime_error);
    if (threads < 2) {
      EXPECT_EQ(done, 3) << "those behind it were left out";
    }
    std::atomic<int> next{0};
    workers.for_each(10, [&](std::size_t, unsigned) { ++next; });
    EXPECT_EQ(next, 10);
  }
}

TEST(Workers, OfTheBackgroundYieldAndTheCallerDoesNot) {
  const int before = ::getpriority(PRIO_PROCESS, 0);
  Workers workers(1, WorkPriority::background);
  std::atomic<int> nice{-100};
  workers.for_each(1, [&](std::size_t, unsigned) { nice = ::getpriority(PRIO_PROCESS, 0); });
  EXPECT_EQ(nice, std::max(before, 10));
  EXPECT_EQ(::getpriority(PRIO_PROCESS, 0), before);
  Workers others(1);
  others.for_each(1, [&](std::size_t, unsigned) { nice = ::getpriority(PRIO_PROCESS, 0); });
  EXPECT_EQ(nice, before);
}

}  // namespace
}  // namespace cardswap::store
