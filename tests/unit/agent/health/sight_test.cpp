#include "agent/health/sight.h"

#include <gmock/gmock.h>

namespace cardswap::health {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

using Sources = std::map<std::string, std::string>;

const WatchedDevice kGpu{{"cuda:0", "GPU-1", "0000:3b:00"}, true, false};
const std::vector<DeviceName> kListed{{"cuda:0", "GPU-1", "0000:3b:00"}};

TEST(Sight, IsBlindWhereNoSourceTellsOfAGpu) {
  const auto sight = sight_of(
      {kGpu}, Sources{{"nvml", "absent: no driver"}, {"kernel_log", "Operation not permitted"}},
      {});
  EXPECT_THAT(sight.blind, HasSubstr("nothing tells of cuda:0"));
  EXPECT_THAT(sight.blind, HasSubstr("not permitted"));
  EXPECT_THAT(sight_of({kGpu}, Sources{}, kListed).blind, HasSubstr("off"));
}

TEST(Sight, IsHalfWhereOnlyOneDoes) {
  EXPECT_THAT(sight_of({kGpu}, Sources{{"nvml", "ok"}, {"kernel_log", "x"}}, kListed).half,
              HasSubstr("kernel_log: x"));
  EXPECT_THAT(sight_of({kGpu}, Sources{{"nvml", "ok"}, {"kernel_log", "ok"}}, {}).half,
              HasSubstr("nvml: does not list it"));
  auto unknown = kGpu;
  unknown.name.pci.clear();
  EXPECT_THAT(sight_of({unknown}, Sources{{"nvml", "off"}, {"kernel_log", "ok"}}, {}).blind,
              HasSubstr("PCI address is not known"));
}

TEST(Sight, IsWholeWithBothAndAsksNothingOfACpu) {
  const Sources both{{"nvml", "ok"}, {"kernel_log", "ok"}};
  EXPECT_THAT(sight_of({kGpu}, both, kListed).half, IsEmpty());
  EXPECT_THAT(sight_of({kGpu}, both, kListed).blind, IsEmpty());
  EXPECT_THAT(sight_of({{{"cpu:0", "x", ""}, false, false}}, Sources{}, {}).blind, IsEmpty());
}

TEST(Sight, AsksOneSourceOfADeviceThatStandsForAGpu) {
  const WatchedDevice known{{"cpu:0", "GPU-1", "0000:3b:00"}, false, true};
  const auto half = sight_of({known}, Sources{{"kernel_log", "ok"}}, {});
  EXPECT_THAT(half.half, IsEmpty());
  EXPECT_THAT(half.blind, IsEmpty());
  EXPECT_THAT(sight_of({known}, Sources{{"kernel_log", "x"}}, {}).blind, HasSubstr("cpu:0"));
}

}  // namespace
}  // namespace cardswap::health
