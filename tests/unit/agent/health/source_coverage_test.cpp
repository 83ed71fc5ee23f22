#include "agent/health/sources/source_coverage.h"

#include <gmock/gmock.h>

namespace cardswap::health {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

using Sources = std::map<std::string, std::string>;

const WatchedDevice kGpu{{"cuda:0", "GPU-1", "0000:3b:00"}, true, false};
const std::vector<DeviceName> kListed{{"cuda:0", "GPU-1", "0000:3b:00"}};

TEST(SourceCoverage, IsBlindWhereNoSourceTellsOfAGpu) {
  const auto coverage = coverage_of(
      {kGpu}, Sources{{"nvml", "absent: no driver"}, {"kernel_log", "Operation not permitted"}},
      {});
  EXPECT_THAT(coverage.blind, HasSubstr("nothing tells of cuda:0"));
  EXPECT_THAT(coverage.blind, HasSubstr("not permitted"));
  EXPECT_THAT(coverage_of({kGpu}, Sources{}, kListed).blind, HasSubstr("off"));
}

TEST(SourceCoverage, IsHalfWhereOnlyOneDoes) {
  EXPECT_THAT(coverage_of({kGpu}, Sources{{"nvml", "ok"}, {"kernel_log", "x"}}, kListed).half,
              HasSubstr("kernel_log: x"));
  EXPECT_THAT(coverage_of({kGpu}, Sources{{"nvml", "ok"}, {"kernel_log", "ok"}}, {}).half,
              HasSubstr("nvml: does not list it"));
  auto unknown = kGpu;
  unknown.name.pci.clear();
  EXPECT_THAT(coverage_of({unknown}, Sources{{"nvml", "off"}, {"kernel_log", "ok"}}, {}).blind,
              HasSubstr("PCI address is not known"));
}

TEST(SourceCoverage, IsWholeWithBothAndAsksNothingOfACpu) {
  const Sources both{{"nvml", "ok"}, {"kernel_log", "ok"}};
  EXPECT_THAT(coverage_of({kGpu}, both, kListed).half, IsEmpty());
  EXPECT_THAT(coverage_of({kGpu}, both, kListed).blind, IsEmpty());
  EXPECT_THAT(coverage_of({{{"cpu:0", "x", ""}, false, false}}, Sources{}, {}).blind, IsEmpty());
}

TEST(SourceCoverage, AsksOneSourceOfADeviceThatStandsForAGpu) {
  const WatchedDevice known{{"cpu:0", "GPU-1", "0000:3b:00"}, false, true};
  const auto half = coverage_of({known}, Sources{{"kernel_log", "ok"}}, {});
  EXPECT_THAT(half.half, IsEmpty());
  EXPECT_THAT(half.blind, IsEmpty());
  EXPECT_THAT(coverage_of({known}, Sources{{"kernel_log", "x"}}, {}).blind, HasSubstr("cpu:0"));
}

}  // namespace
}  // namespace cardswap::health
