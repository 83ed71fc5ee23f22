/// Method: from the start of a migration on, the journal of the source refuses every record of a
/// job and takes those of migrations, as a disk does that fills up in between. What follows from
/// the migration's state must not be kept back by it.

#include <gmock/gmock.h>

#include "tests/faults/two_host_scenario.h"
#include "tests/support/refused_records.h"

namespace cardswap::test {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;
using ::testing::Not;

TEST(RefusedRecord, DoesNotKeepTheWordThatItsJobMovedFromASource) {
  TwoHostScenario scenario({});
  auto& a = *scenario.a;
  ASSERT_NO_FATAL_FAILURE(scenario.start_job(false));
  const RefusedRecords refused(a.dir() / "journal.db", "job");
  const auto id = text(a.ask({"migrate", "job", "--to", scenario.b->at("cpu:0"), "--max-downtime",
                              "none", "--detach"}),
                       "id");
  EXPECT_TRUE(within(25s, [&] { return state_of(a, id) == "completed"; })) << a.log();
  // What was told that its job moved ends by itself, long before it would be ended.
  EXPECT_TRUE(within(25s, [&] { return processes_of(a.dir()).empty(); })) << a.log();
  EXPECT_THAT(a.log(), HasSubstr("refused by a test"));
  EXPECT_THAT(a.log(), Not(HasSubstr("its process does not leave")));
  EXPECT_TRUE(scenario.steps_again_within(5s)) << scenario.b->log();
}

}  // namespace
}  // namespace cardswap::test
