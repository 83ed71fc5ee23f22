/// Method: histories written by hand, as history_of() gives them; some as a hostile store would
/// have them.

#include "agent/cli/snapshots/history_graph.h"

#include <gmock/gmock.h>

#include <boost/json.hpp>
#include <limits>

#include "agent/cli/snapshots/diff_text.h"
#include "agent/cli/snapshots/metric_chart.h"
#include "agent/cli/snapshots/number_json.h"
#include "agent/cli/snapshots/snapshot_time.h"

namespace cardswap::cli {
namespace {

namespace json = boost::json;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

/// A manifest's id: its number, and digits behind it.
std::string id(int number) { return "m" + std::to_string(number) + std::string(62, '0'); }

json::object snapshot(int number, int step, const std::vector<int>& parents,
                      const std::string& branch = "main") {
  json::array ids;
  for (const int parent : parents) ids.emplace_back(id(parent));
  return {{"job", "gpt"},
          {"snapshot", number},
          {"step", step},
          {"epoch", 1},
          {"branch", branch},
          {"manifest", id(number)},
          {"parents", std::move(ids)},
          {"tags", json::array{}},
          {"state_digest", "r"},
          {"created_s", 1'700'000'000 + step},
          {"state_bytes", 1024},
          {"regions", 2},
          {"metrics", json::object{}},
          {"argv", json::array{"train"}},
          {"host", "a"},
          {"device", "cpu:0"}};
}

json::object history(json::array snapshots) {
  return {{"job", "gpt"}, {"snapshots", std::move(snapshots)}, {"damaged", json::array{}}};
}

/// A branch of two beside the newest snapshot.
json::object forked() {
  return history({snapshot(57, 41200, {54}, "fix-spike"), snapshot(56, 41800, {55}),
                  snapshot(55, 41600, {54}), snapshot(54, 41000, {})});
}

/// What stands before the snapshots' numbers.
std::string drawing(const std::string& text, std::size_t width) {
  std::string drawn;
  for (std::size_t at = 0; at < text.size();) {
    const auto end = text.find('\n', at);
    auto line = text.substr(at, std::min(end - at, width));
    line.resize(line.find_last_not_of(' ') + 1);
    drawn += line + "\n";
    at = end + 1;
  }
  return drawn;
}

TEST(HistoryGraph, DrawsABranchBesideTheOther) {
  const auto shown = history_graph(forked());
  EXPECT_EQ(drawing(shown, 3),
            "*\n"
            "| *\n"
            "| *\n"
            "|/\n"
            "*\n");
  EXPECT_THAT(shown, HasSubstr("*    57  step 41200  m5700000    (fix-spike)\n"));
}

TEST(HistoryGraph, DrawsLinesThatCrossOthers) {
  const auto shown =
      history_graph(history({snapshot(5, 50, {1}, "a"), snapshot(4, 40, {2}, "b"),
                             snapshot(3, 30, {1}, "c"), snapshot(2, 20, {}), snapshot(1, 10, {})}));
  EXPECT_EQ(drawing(shown, 5),
            "*\n"
            "| *\n"
            "| | *\n"
            "| * |\n"
            "|__/\n"
            "*\n");
}

TEST(HistoryGraph, DrawsSeveralParents) {
  const auto shown = history_graph(
      history({snapshot(3, 30, {1, 2}), snapshot(2, 20, {1}, "b"), snapshot(1, 10, {})}));
  EXPECT_EQ(drawing(shown, 3),
            "*-.\n"
            "| *\n"
            "|/\n"
            "*\n");
}

TEST(HistoryGraph, MarksWhatIsDamagedMissingOrWentBack) {
  auto damaged = snapshot(3, 30, {});
  damaged.erase("state_digest");
  damaged.erase("parents");
  auto all = history({snapshot(4, 5, {2}), damaged, snapshot(2, 20, {1})});
  all["damaged"] = json::array{json::object{{"object", "manifests/x"}, {"what", "cut off"}}};
  const auto shown = history_graph(all);
  EXPECT_THAT(shown, AllOf(HasSubstr("went back"), HasSubstr("x  3  step 30"), HasSubstr("DAMAGED"),
                           HasSubstr("its parent is not here"),
                           HasSubstr("damaged: manifests/x: cut off\n")));
  EXPECT_EQ(history_graph(history({})), "no snapshot of job gpt\n");
}

/// No store that is not broken has them.
TEST(HistoryGraph, EndsWhereParentsAreNewerOrTheSame) {
  const auto rows = graph_of(history({snapshot(3, 30, {3}), snapshot(2, 20, {3, 2, 1, 1})}));
  ASSERT_THAT(rows, SizeIs(2));
  EXPECT_TRUE(rows[0].lacks_parent);
  EXPECT_THAT(rows[0].to_below, IsEmpty());
  EXPECT_THAT(rows[1].to_below, IsEmpty());
}

TEST(HistoryGraph, IsNoWiderThanItsLimit) {
  json::array many;
  for (int i = 200; i > 1; --i) many.push_back(snapshot(i, i, {1}));
  many.push_back(snapshot(1, 1, {}));
  const auto rows = graph_of(history(many));
  for (const auto& row : rows) EXPECT_LE(row.column, kGraphColumnsMax);
  EXPECT_THAT(rows.back().from_above, SizeIs(kGraphColumnsMax));
  EXPECT_FALSE(history_graph(history(many)).empty());
}

TEST(HistoryGraph, LetsNoTextReachTheTerminal) {
  auto one = snapshot(1, 1, {});
  one["metrics"] = json::object{{"lo\x1b[2Jss\n", 1.5}, {"bad", number_json(std::nan(""))}};
  const auto shown = history_graph(history({one}));
  EXPECT_THAT(shown, AllOf(HasSubstr("lo\\x1b[2Jss\\n 1.5, bad nan"), Not(HasSubstr("\x1b"))));
}

TEST(HistoryDot, QuotesItsTexts) {
  auto one = snapshot(1, 10, {});
  one["metrics"] = json::object{{"a\"b\\N\n", 2}};
  const auto dot = history_dot(history({snapshot(2, 20, {1}), one}));
  EXPECT_THAT(dot, AllOf(HasSubstr("digraph snapshots {"), HasSubstr("  s0 -> s1;\n"),
                         HasSubstr("\\na\\\"b\\\\N\\\\n 2\""), Not(HasSubstr("a\"b"))));
}

TEST(HistoryPage, StandsAloneAndEscapesItsTexts) {
  auto one = snapshot(1, 10, {});
  one["host"] = "<script>alert(1)</script>";
  one["argv"] = json::array{"\" onmouseover=\"x"};
  one["metrics"] = json::object{{"<b>", 1}};
  one["tags"] = json::array{"<i>"};
  auto all = history({snapshot(2, 20, {1}), one});
  all["damaged"] = json::array{json::object{{"object", "<u>"}, {"what", "\x1b"}}};
  const auto page = history_page(all);
  EXPECT_THAT(page, AllOf(HasSubstr("<svg class=\"rows\""), HasSubstr("prefers-color-scheme: dark"),
                          HasSubstr("&lt;script&gt;"), HasSubstr("&lt;b&gt; 1"),
                          HasSubstr("&lt;i&gt;"), HasSubstr("&lt;u&gt;")));
  EXPECT_THAT(page, AllOf(Not(HasSubstr("<script")), Not(HasSubstr("<b> ")), Not(HasSubstr("<i>")),
                          Not(HasSubstr("<u>")), Not(HasSubstr("\" onmouseover=")),
                          Not(HasSubstr("http")), Not(HasSubstr("\x1b"))));
}

TEST(HistoryPage, DrawsTheLossWhereTwoSnapshotsHaveIt) {
  auto first = snapshot(1, 10, {});
  auto second = snapshot(2, 20, {1});
  first["metrics"] = json::object{{"accuracy", 0.5}, {"loss", 3}};
  EXPECT_THAT(history_page(history({second, first})), Not(HasSubstr("over steps")));
  second["metrics"] = json::object{{"accuracy", 0.6}, {"loss", 2.5}};
  const auto page = history_page(history({second, first}));
  EXPECT_THAT(
      page, AllOf(HasSubstr("<h2>loss over steps</h2>"), HasSubstr("number 2, step 20, loss 2.5")));
}

TEST(HistoryPage, DrawsNothingOfNumbersThatAreNone) {
  auto first = snapshot(1, 10, {});
  auto second = snapshot(2, 20, {1});
  for (auto* one : {&first, &second}) {
    (*one)["metrics"] = json::object{{"loss", number_json(std::nan(""))}};
  }
  EXPECT_THAT(history_page(history({second, first})), Not(HasSubstr("over steps")));
}

TEST(SnapshotTexts, HaveNoTimeThatNoCalendarHas) {
  EXPECT_EQ(time_text(0), "1970-01-01 00:00:00Z");
  EXPECT_EQ(time_text(1e300), "?");
  EXPECT_EQ(time_text(std::nan("")), "?");
}

TEST(NumbersInJson, AreTextsWhereJsonHasNone) {
  EXPECT_EQ(json::serialize(number_json(-std::numeric_limits<double>::infinity())), "\"-inf\"");
  EXPECT_EQ(number_json(0.5), 0.5);
}

json::object side(const char* dtype, std::uint64_t elements) {
  return {{"dtype", dtype}, {"sizes", json::array{elements}}, {"bytes", 4 * elements}};
}

json::object compared() {
  return {{"before", snapshot(1, 10, {})},
          {"after", snapshot(2, 20, {1})},
          {"regions_alike", 3},
          {"regions",
           json::array{json::object{
               {"name", "m/new"},
               {"before", nullptr},
               {"after", json::object{{"dtype", "Float"}, {"shape", "[2]"}, {"bytes", 8}}}}}},
          {"regions_changed", json::array{json::object{{"region", "m/w"},
                                                       {"chunks", 3},
                                                       {"chunks_changed", 1},
                                                       {"bytes", 3072},
                                                       {"bytes_changed", 1024}}}},
          {"chunks", 5},
          {"chunks_changed", 1},
          {"bytes", 5120},
          {"bytes_changed", 1024},
          {"chunks_are_comparable", true},
          {"values_differ", true}};
}

TEST(DiffText, TellsBothSidesAndWhatDiffers) {
  const auto shown = diff_text(compared());
  EXPECT_THAT(shown,
              AllOf(HasSubstr("gpt@10"), HasSubstr("gpt@20"),
                    HasSubstr("regions   3 alike, 1 added, removed or changed\n"),
                    HasSubstr("  + m/new  Float [2] 8 B\n"),
                    HasSubstr("chunks    1 of 5 differ: 1.0 KiB of 5.0 KiB\n"),
                    HasSubstr("values    differ\n"),
                    HasSubstr("m/w     1 of 3  1.0 KiB of 3.0 KiB\n"), Not(HasSubstr("TENSOR"))));
}

TEST(DiffText, TellsTensorsAndWhatIsNotFinite) {
  auto all = compared();
  const json::object difference{{"elements", 4},
                                {"changed", 1},
                                {"max_abs", 2.0},
                                {"rms", 1.0},
                                {"relative", "inf"},
                                {"cosine", 0.5},
                                {"not_finite_before", json::object{{"nan", 0}, {"infinite", 0}}},
                                {"not_finite_after", json::object{{"nan", 1}, {"infinite", 0}}}};
  all["tensors"] = json::array{json::object{{"name", "m/w\x1b"},
                                            {"before", side("Float", 4)},
                                            {"after", side("BFloat16", 4)},
                                            {"difference", difference}},
                               json::object{{"name", "m/gone"},
                                            {"before", side("Float", 4)},
                                            {"after", nullptr},
                                            {"difference", nullptr}}};
  all["tensors_changed"] = 7;
  all["tensors_compared"] = 9;
  const auto shown = diff_text(all);
  EXPECT_THAT(shown, AllOf(HasSubstr("tensors   7 of 9 differ\n"), HasSubstr("m/w\\x1b"),
                           HasSubstr("Float [4] -> BFloat16 [4]"), HasSubstr("inf"),
                           HasSubstr("0 NaN, 0 Inf -> 1 NaN, 0 Inf"), HasSubstr("removed"),
                           HasSubstr("and 5 more: --top tells of them\n"), Not(HasSubstr("\x1b"))));
}

}  // namespace
}  // namespace cardswap::cli
