#include "migrator/base/mutex.h"

#include <gtest/gtest.h>

#include <thread>

#include "tests/support/needs.h"

namespace cardswap {
namespace {

/// With assertions only: other builds know nothing of who holds it.
#if defined(NDEBUG)
constexpr bool kKnows = false;
#else
constexpr bool kKnows = true;
#endif

TEST(MutexDeathTest, EndsAProcessThatOnlyBelievesToHoldIt) {
  if (!kKnows) return test::skip_without("asserts", "the build has NDEBUG");
  Mutex mutex;
  EXPECT_DEATH(mutex.assert_held(), "holder_");
  const MutexLock lock(mutex);
  EXPECT_DEATH(std::thread([&mutex] { mutex.assert_held(); }).join(), "holder_");
}

TEST(Mutex, IsHeldByWhoeverLockedItAndAfterAWait) {
  Mutex mutex;
  Condition changed;
  MutexLock lock(mutex);
  mutex.assert_held();
  lock.unlock();
  lock.lock();
  mutex.assert_held();
  EXPECT_FALSE(changed.wait_until(lock, std::chrono::steady_clock::now()));
  mutex.assert_held();
}

TEST(MutexDeathTest, IsHeldByNobodyWhenItsLockIsLetGoOf) {
  if (!kKnows) return test::skip_without("asserts", "the build has NDEBUG");
  Mutex mutex;
  MutexLock lock(mutex);
  lock.unlock();
  EXPECT_DEATH(mutex.assert_held(), "holder_");
}

}  // namespace
}  // namespace cardswap
