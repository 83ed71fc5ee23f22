#include "runtime/snapshot_memory.h"

#include <gmock/gmock.h>
#include <stdlib.h>

#include "migrator/base/environment.h"

namespace cardswap {
namespace {

TEST(SnapshotMemory, IsTheUsersWordAndElseAShareOfWhatIsFree) {
  EXPECT_EQ(memory_size_in("0"), 0U);
  EXPECT_EQ(memory_size_in("4096"), 4096U);
  EXPECT_EQ(memory_size_in("7B"), 7U);
  EXPECT_EQ(memory_size_in("3KiB"), 3U << 10U);
  EXPECT_EQ(memory_size_in("512MiB"), 512U << 20U);
  EXPECT_EQ(memory_size_in("2GiB"), std::uint64_t{2} << 30U);
  for (const auto* none :
       {"", "GiB", "-1", "1 GiB", "1GB", "99999999999999999999", "18446744073709551615KiB"}) {
    EXPECT_EQ(memory_size_in(none), std::nullopt) << none;
  }
  // NOLINTBEGIN(concurrency-mt-unsafe): no other thread
  ::setenv(environment::kSnapshotMemory, "5MiB", 1);
  EXPECT_EQ(snapshot_memory(), 5U << 20U);
  ::unsetenv(environment::kSnapshotMemory);
  // NOLINTEND(concurrency-mt-unsafe)
  EXPECT_GT(snapshot_memory(), 0U);
}

}  // namespace
}  // namespace cardswap
