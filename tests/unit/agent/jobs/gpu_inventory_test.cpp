#include "agent/devices/gpu_inventory.h"

#include <gmock/gmock.h>

namespace cardswap {
namespace {

TEST(GpuInventory, ReadsALineAGpu) {
  const auto gpus = gpus_from(
      "gpu\t0\tGPU-a\t85899345920\tNVIDIA H100 80GB HBM3\n"
      "gpu\t7\tGPU-b\t150754820096\tNVIDIA H200\twith a tab\n");
  ASSERT_EQ(gpus.size(), 2U);
  EXPECT_EQ(gpus[0].uuid, "GPU-a");
  EXPECT_EQ(gpus[0].model, "NVIDIA H100 80GB HBM3");
  EXPECT_EQ(gpus[1].index, 7U);
  EXPECT_EQ(gpus[1].total_bytes, 150754820096U);
}

TEST(GpuInventory, PassesOverWhatADriverPrintsBesides) {
  EXPECT_TRUE(gpus_from("").empty());
  EXPECT_TRUE(gpus_from("warning: something\ngpu\n\ngpu\t1\n\t\t\t\n").empty());
  EXPECT_EQ(gpus_from("noise\ngpu\t0\tGPU-a\tmany\tX").size(), 1U);
}

TEST(GpuInventory, IsEmptyWithoutALibrary) {
  EXPECT_TRUE(list_gpus("").empty());
  EXPECT_EQ(print_gpus("libnvidia-ml-that-is-not.so"), 3);
}

}  // namespace
}  // namespace cardswap
