#include <gmock/gmock.h>

#include <boost/json.hpp>

#include "agent/cli/snapshots/cadence.h"
#include "agent/cli/text/protection_text.h"
#include "migrator/base/error.h"
#include "migrator/store/branch_name.h"

namespace cardswap::cli {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

TEST(Cadence, IsInStepsOrTimeOrOff) {
  EXPECT_EQ(cadence_from("100").steps, 100U);
  EXPECT_EQ(cadence_from("10m").time, std::chrono::minutes(10));
  EXPECT_EQ(cadence_from("2h").time, std::chrono::hours(2));
  EXPECT_TRUE(cadence_from("off").is_off());
  EXPECT_TRUE(cadence_from("auto").is_auto);
  EXPECT_FALSE(cadence_from("auto").is_off());
  for (const auto* text : {"", "0", "0s", "none", "100ms", "-5", "5 m", "often"}) {
    EXPECT_THROW((void)cadence_from(text), Error) << text;
  }
}

TEST(ProtectionBody, HasATimeBetweenFailuresForAnAutomaticIntervalOnly) {
  const auto own = protection_body("file:/s", cadence_from("auto"));
  EXPECT_EQ(own.at("auto"), true);
  EXPECT_FALSE(own.contains("mtbf_ms")) << "the agent has one";
  EXPECT_EQ(
      protection_body("file:/s", cadence_from("auto"), {}, kProtectGrace, "12h").at("mtbf_ms"),
      43'200'000);
  EXPECT_THROW((void)protection_body("file:/s", cadence_from("10m"), {}, kProtectGrace, "12h"),
               Error);
  for (const auto* no_time : {"none", "0s", "often"}) {
    EXPECT_THROW((void)protection_body("file:/s", cadence_from("auto"), {}, kProtectGrace, no_time),
                 Error)
        << no_time;
  }
}

store::Ref ref(std::uint64_t number, std::string branch, std::uint64_t step) {
  return {"gpt", number, {}, std::move(branch), step, 1};
}

TEST(BranchName, IsTheSnapshotsWhereNoneIsNewer) {
  const std::vector<store::Ref> refs{ref(1, "main", 100), ref(2, "main", 200), ref(3, "fix", 150)};
  EXPECT_EQ(store::branch_after(refs, refs[1]), "main");
  EXPECT_EQ(store::branch_after(refs, refs[2]), "fix");
  EXPECT_EQ(store::branch_after(refs, refs[0]), "from-100");
}

TEST(BranchName, IsNeverOneThatThereIs) {
  const std::vector<store::Ref> refs{ref(1, "main", 100), ref(2, "from-100", 120)};
  EXPECT_EQ(store::fresh_branch(refs, 100), "from-100-2");
  EXPECT_THROW(store::check_new_branch(refs, "main"), Error);
  EXPECT_THROW(store::check_new_branch(refs, "Not a name"), Error);
  store::check_new_branch(refs, "lr-halved");
}

TEST(ProtectionText, TellsWhatFailsAndWhatToDo) {
  const boost::json::object job{
      {"protection",
       {{"every_steps", 100},
        {"every_ms", nullptr},
        {"store", "file:/s"},
        {"keep", "last=5"},
        {"last", {{"snapshot", 3}, {"step", 300}, {"at_ms", 1000}}},
        {"failures_in_a_row", 2},
        {"retry_at_ms", 9000},
        {"error", {{"failure", "the disk is full"}, {"hint", "make room"}}},
        {"prune_error", nullptr}}}};
  EXPECT_THAT(
      protection_text(job, 5000),
      AllOf(HasSubstr("every 100 steps in file:/s"), HasSubstr("snapshot 3 of step 300, 4.0 s ago"),
            HasSubstr("2 in a row failed: the disk is full"), HasSubstr("hint: make room"),
            HasSubstr("the next try is in 4.0 s")));
  EXPECT_THAT(protection_trouble(job), HasSubstr("the disk is full"));
}

boost::json::object automatic(boost::json::value interval) {
  return {{"protection",
           {{"every_steps", nullptr},
            {"every_ms", nullptr},
            {"auto", true},
            {"store", "file:/s"},
            {"keep", "last=5"},
            {"interval", std::move(interval)}}}};
}
boost::json::object interval(std::string_view reason, int measured = 3) {
  return {{"every_ms", 41'000},   {"reason", reason}, {"cost_ms", 12.2},
          {"measured", measured}, {"stored_ms", 700}, {"mtbf_ms", 86'400'000}};
}

TEST(ProtectionText, TellsWhyAnAutomaticIntervalIsAsLongAsItIs) {
  EXPECT_THAT(protection_text(automatic(interval("cost")), 0),
              AllOf(HasSubstr("protected every 41.0 s in file:/s"),
                    HasSubstr("\nevery 41.0 s: a snapshot costs 12 ms, a failure each 24 h\n")));
  EXPECT_THAT(protection_text(automatic(interval("stored_time")), 0),
              HasSubstr("every 41.0 s: a snapshot takes that long to be stored (a snapshot costs"));
  EXPECT_THAT(protection_text(automatic(interval("unknown_cost", 0)), 0),
              HasSubstr("every 41.0 s: what a snapshot costs is not known so far\n"));
  EXPECT_THAT(protection_text(automatic(nullptr), 0), HasSubstr("protected automatically in"));
}

TEST(ProtectionText, IsEmptyForAJobWithoutProtection) {
  EXPECT_EQ(protection_text({{"protection", nullptr}}, 0), "");
  EXPECT_EQ(protection_trouble({}), "");
}

}  // namespace
}  // namespace cardswap::cli
