#include "agent/jobs/jobs.h"

#include <gmock/gmock.h>

#include "tests/support/temp_dir.h"

namespace cardswap {
namespace {

class JobsTest : public ::testing::Test {
 protected:
  JobsTest() {
    config_.data_dir = dir_.path();
    config_.devices = {{.name = "cpu:0"}};
  }

  const test::TempDir dir_;
  asio::io_context context_;
  TaskGroup tasks_{context_};
  Config config_;
  Journal journal_{dir_.path() / "j.db"};
  Jobs jobs_{context_, tasks_, config_, journal_};
};

TEST_F(JobsTest, GivesOutAProcessWhileItsRecordIsThereAndSaysWhatBecameOfItAfterwards) {
  auto& standby = jobs_.add_standby({.name = "gpt", .argv = {"/bin/true"}},
                                    {.migration = "m-1", .epoch = 2, .device = "cpu:0"});
  EXPECT_EQ(&jobs_.at(standby.id), &standby);
  try {
    (void)jobs_.at("another");
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Code::source_lost);
    EXPECT_FALSE(error.hint().empty());
  }
}

}  // namespace
}  // namespace cardswap
