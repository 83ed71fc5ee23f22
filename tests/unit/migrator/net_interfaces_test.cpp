#include "migrator/base/net_interfaces.h"

#include <gmock/gmock.h>

#include "tests/support/temp_dir.h"

namespace cardswap {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(RdmaPorts, AreSortedByDeviceAndPort) {
  const test::TempDir dir;
  for (const auto* port : {"mlx5_1/ports/1", "mlx5_0/ports/2", "mlx5_0/ports/1", "odd"}) {
    std::filesystem::create_directories(dir.path() / port);
  }
  EXPECT_THAT(rdma_ports(dir.path()), ElementsAre("mlx5_0:1", "mlx5_0:2", "mlx5_1:1"));
}

TEST(RdmaPorts, AreNoneWhereTheFolderIsNot) {
  const test::TempDir dir;
  EXPECT_THAT(rdma_ports(dir.path() / "none"), IsEmpty());
}

}  // namespace
}  // namespace cardswap
