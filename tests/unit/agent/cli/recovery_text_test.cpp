#include "agent/cli/text/recovery_text.h"

#include <gmock/gmock.h>

#include <boost/json.hpp>

namespace cardswap::cli {
namespace {

using ::testing::HasSubstr;

boost::json::object job(const char* recovery) {
  return boost::json::parse(std::string(R"({"recovery": )") + recovery + "}").as_object();
}

TEST(RecoveryText, SaysWhatWasLostAndFromWhereTheJobGoesOn) {
  const auto shown =
      recovery_text(job(R"({"pending": false, "reason": "it ended by signal 9", "recovered": 2,
              "lost_steps": 41, "lost_steps_total": 50, "error": null,
              "last": {"snapshot": 7, "step": 400, "store": "file:/s", "at_ms": 1000}})"),
                    3000);
  EXPECT_EQ(shown,
            "recoveries: 2; the last from snapshot 7 of step 400 in file:/s, 2.0 s ago, because it "
            "ended by signal 9: 41 steps were lost, 50 in all\n");
}

TEST(RecoveryText, SpeaksOfOneStepAsOfOne) {
  EXPECT_THAT(recovery_text(job(R"({"recovered": 1, "lost_steps": 1, "lost_steps_total": 1,
              "last": {"snapshot": 7, "step": 400, "store": "file:/s", "at_ms": 1000}})"),
                            3000),
              HasSubstr(": 1 step was lost, 1 in all\n"));
}

TEST(RecoveryText, SaysWhyAJobWasNotRecoveredAndWhatToDo) {
  const auto shown = recovery_text(job(R"({"pending": false, "recovered": 0, "last": null,
              "error": {"failure": "none can be used", "hint": "look"}})"),
                                   0);
  EXPECT_EQ(shown, "not recovered: none can be used\nhint: look\n");
}

TEST(RecoveryText, IsOfTheRowWhileTheRecoveryIsOwed) {
  EXPECT_THAT(recovery_note(job(R"({"pending": true, "reason": "it ended by signal 9"})")),
              HasSubstr("goes on from its newest snapshot: it ended by signal 9"));
  EXPECT_EQ(recovery_note(job(R"({"pending": false})")), "");
  EXPECT_EQ(recovery_note({}), "");
  EXPECT_EQ(recovery_text({}, 0), "");
}

}  // namespace
}  // namespace cardswap::cli
