#include "agent/cli/text/top_view.h"

#include <gmock/gmock.h>

#include <boost/json.hpp>

#include "agent/cli/text/columns.h"

namespace cardswap::cli {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Le;
using ::testing::Not;
using ::testing::SizeIs;
using ::testing::StartsWith;

TEST(Columns, LeaveOutTheLeastImportantWhenThereIsNoRoom) {
  const std::vector<Column> columns{{"JOB", 0, false}, {"STEP", 1, true}, {"NOTE", 2, false}};
  const Rows rows{{"a", "12", "arrived"}, {"long", "3", ""}};
  EXPECT_THAT(fitted(columns, rows, 80),
              ElementsAre("JOB   STEP  NOTE", "a       12  arrived", "long     3"));
  EXPECT_THAT(fitted(columns, rows, 18), ElementsAre("JOB   STEP", "a       12", "long     3"));
  EXPECT_THAT(fitted(columns, rows, 9), ElementsAre("JOB", "a", "long"));
  EXPECT_THAT(fitted(columns, rows, 3), ElementsAre("JOB", "a", "lo~"));
  EXPECT_THAT(fitted(columns, rows, 0), ElementsAre("", "", ""));
}

TEST(Columns, LeaveOutWhatIsEmptyAndWhatMovesTheCursor) {
  EXPECT_THAT(fitted({{"JOB", 0, false}, {"NOTE", 1, false}}, {{"a\033[2J\n", ""}}, 80),
              ElementsAre("JOB", "a?[2J?"));
}

TopSnapshot snapshot() {
  const auto object = [](std::string_view text) { return boost::json::parse(text).as_object(); };
  return {object(R"({"host":"gpu-a","version":"0.1.0","uptime_ms":65000})"),
          object(R"({"devices":[{"name":"cpu:0","model":"EPYC","total_bytes":8589934592,
                     "free_bytes":6442450944,"reserved_bytes":2147483648,"jobs":["gpt"]}]})"),
          object(R"({"jobs":[
            {"name":"old","state":"moved","device":"cpu:0","step":9,"state_bytes":1048576,
             "median_step_ms":5,"moved_to":"gpu-b/cpu:0"},
            {"name":"gpt","state":"running","device":"cpu:0","step":1200,"median_step_ms":250,
             "state_bytes":2147483648,"moved_to":null}]})"),
          object(R"({"migrations":[{"job":"gpt","state":"syncing","result":null,"to":"gpu-b/cpu:1",
            "progress":{"phase":"rounds","rounds":3,"transferred":3221225472,"total":2147483648,
                        "rate":1073741824,"expected_downtime_ms":120}}]})"),
          ""};
}

std::string joined(const std::vector<TopLine>& lines) {
  std::string text;
  for (const auto& line : lines) text += line.text + "\n";
  return text;
}

TEST(TopView, ShowsAJobOnItsWay) {
  const auto text = joined(top_view(snapshot(), 200, 0));
  EXPECT_THAT(text, StartsWith("gpu-a  cardswapd 0.1.0  up 1m 5s  1 job, 1 migration\n"));
  for (const auto* part : {"rounds 3", "3.0 GiB/2.0 GiB", "1.0 GiB/s", "120 ms", "gpu-b/cpu:1",
                           "1200", "250 ms", "EPYC", "25%"}) {
    EXPECT_THAT(text, HasSubstr(part));
  }
  EXPECT_LT(text.find("gpt "), text.find("old ")) << "live jobs first";
}

TEST(TopView, FitsEveryTerminal) {
  for (const std::size_t width : {0U, 1U, 10U, 40U, 60U, 80U, 140U}) {
    for (const std::size_t height : {1U, 3U, 8U, 50U}) {
      const auto lines = top_view(snapshot(), width, height);
      EXPECT_THAT(lines, SizeIs(Le(height)));
      for (const auto& line : lines) EXPECT_THAT(line.text, SizeIs(Le(width)));
    }
  }
  const auto narrow = joined(top_view(snapshot(), 80, 0));
  EXPECT_THAT(narrow, HasSubstr("rounds 3"));
  EXPECT_THAT(narrow, HasSubstr("3.0 GiB/2.0 GiB"));
  EXPECT_THAT(narrow, Not(HasSubstr("gpu-b/cpu:1")));
}

TEST(TopView, SaysThatTheAgentIsGoneAndShowsWhatWasSeenLast) {
  auto seen = snapshot();
  seen.lost = "connect: refused";
  const auto text = joined(top_view(seen, 80, 0));
  EXPECT_THAT(text, HasSubstr("no answer: connect: refused\n"));
  EXPECT_THAT(text, HasSubstr("gpt"));
  EXPECT_THAT(joined(top_view({}, 80, 0)), HasSubstr("no jobs"));
}

}  // namespace
}  // namespace cardswap::cli
