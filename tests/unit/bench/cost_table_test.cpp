#include "tests/bench/cost_table.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "tests/support/temp_dir.h"

namespace cardswap::bench {
namespace {

class CostTableTest : public ::testing::Test {
 protected:
  /// The lost time of a row that is as many steps as were measured so far, if it has to be.
  double lost(CostTable& table, double r, int repeat, bool limited = false) {
    return table
        .row({.gradients = "fp32", .r = r, .way = "replay", .limited = limited, .repeat = repeat},
             [this](CostRow& row) {
               row.moved = true;
               row.strategy = "replay";
               row.lost = ++measured_;
             })
        .lost;
  }
  test::TempDir dir_;
  const std::filesystem::path file_ = dir_.path() / "table";
  int measured_ = 0;
};

TEST_F(CostTableTest, MeasuresWhatItLacksAndNothingTwice) {
  CostTable table("");
  EXPECT_EQ(lost(table, 2, 0), 1);
  EXPECT_EQ(lost(table, 2, 1), 2);
  EXPECT_EQ(lost(table, 6, 0), 3);
  EXPECT_EQ(lost(table, 2, 0, true), 4);
  EXPECT_EQ(lost(table, 2, 0), 1);
}

TEST_F(CostTableTest, GoesOnWhereAnotherRunWasBrokenOff) {
  {
    CostTable table(file_);
    (void)lost(table, 0.5, 0);
    (void)lost(table, 2, 0);
  }
  CostTable again(file_);
  EXPECT_EQ(lost(again, 0.5, 0), 1);
  EXPECT_EQ(lost(again, 2, 0), 2);
  EXPECT_EQ(measured_, 2);
  EXPECT_EQ(lost(again, 6, 0), 3);
}

/// A run that was killed has written half of its last row.
TEST_F(CostTableTest, MeasuresAHalfWrittenRowAnewAndLeavesTheOthersWhole) {
  {
    CostTable table(file_);
    (void)lost(table, 2, 0);
    (void)lost(table, 6, 0);
  }
  std::filesystem::resize_file(file_, std::filesystem::file_size(file_) - 9);
  {
    CostTable cut(file_);
    EXPECT_EQ(lost(cut, 2, 0), 1);
    EXPECT_EQ(lost(cut, 6, 0), 3);
  }
  CostTable again(file_);
  EXPECT_EQ(lost(again, 2, 0), 1);
  EXPECT_EQ(lost(again, 6, 0), 3);
}

}  // namespace
}  // namespace cardswap::bench
