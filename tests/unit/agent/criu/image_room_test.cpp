#include "agent/criu/image_room.h"

#include <gmock/gmock.h>
#include <unistd.h>

#include <limits>
#include <vector>

#include "agent/criu/host_match.h"
#include "agent/process/process.h"

namespace cardswap::criu {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr std::uint64_t kMax = std::numeric_limits<std::uint64_t>::max();
constexpr std::uint64_t kGiB = std::uint64_t{1} << 30U;

/// As the kernel writes it, of a host with 8 GiB.
std::string meminfo(std::uint64_t available_kilobytes) {
  return "MemTotal:        8388608 kB\nMemFree:          100000 kB\nMemAvailable:   " +
         std::to_string(available_kilobytes) + " kB\nBuffers:           34816 kB\n";
}

TEST(ImageRoom, IsWhatIsAvailableAndHalfOfAllMemoryAtMost) {
  EXPECT_EQ(image_room_in(meminfo(1U << 20U), ImageUse::dumped), kGiB);
  EXPECT_EQ(image_room_in(meminfo(7U << 20U), ImageUse::dumped), 4 * kGiB);
}

TEST(ImageRoom, IsHalfWhereTheProcessIsMadeBesideIt) {
  EXPECT_EQ(image_room_in(meminfo(2U << 20U), ImageUse::restored), kGiB);
}

TEST(ImageRoom, IsNotKnownFromAnotherText) {
  EXPECT_EQ(image_room_in("", ImageUse::dumped), kMax);
  EXPECT_EQ(image_room_in("MemTotal: 8 kB\nMemAvailable: many kB\n", ImageUse::dumped), kMax);
  EXPECT_EQ(
      image_room_in("MemTotal: 8 kB\nMemAvailable: 18446744073709551615 kB\n", ImageUse::restored),
      kMax);
}

TEST(ImageRoom, IsWantedForWhatProcessesHaveForThemselvesAndOnceForWhatTheyShare) {
  MemoryUse held;
  held = with_process(held, "Name:\tpython\nRssAnon:\t    2048 kB\nRssShmem:\t  100 kB\n");
  held = with_process(held, "RssAnon:\t1024 kB\nRssShmem:\t 300 kB\nVmSwap:\t 1024 kB\n");
  held = with_process(held, "");  // one that has ended
  EXPECT_EQ(held, (MemoryUse{4096U << 10U, 300U << 10U}));
}

TEST(ImageRoom, IsWantedForWhatThisProcessHolds) {
  const ProcessId self{::getpid(), start_time_of(::getpid()).value_or(0)};
  const auto before = memory_of(self).own;
  const std::vector<char> more(64U << 20U, 'x');
  EXPECT_GE(memory_of(self).own, before + (60U << 20U));
  EXPECT_EQ(more.back(), 'x');
}

TEST(ImageRoom, IsToldOfWhereItLacks) {
  EXPECT_EQ(why_no_room(kGiB, kGiB, "here"), "");
  EXPECT_EQ(why_no_room(3 * kGiB, kGiB, "on gpu-b"),
            "the process image takes about 3.0 GiB of memory, of which 1.0 GiB are free for it on "
            "gpu-b");
}

TEST(ImageRoom, IsAskedForBeforeTheProcessStops) {
  HostNeeds needs;
  needs.image_bytes = 1;
  EXPECT_THAT(what_is_missing(needs, {}, "gpu-b"), IsEmpty());
  needs.image_bytes = std::uint64_t{1} << 60U;
  EXPECT_EQ(needs_from_json(to_json(needs)), needs);
  EXPECT_THAT(what_is_missing(needs, {}, "gpu-b"), ElementsAre(HasSubstr("free for it on gpu-b")));
}

}  // namespace
}  // namespace cardswap::criu
