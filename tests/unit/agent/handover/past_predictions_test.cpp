#include "agent/handover/source/past_predictions.h"

#include <gtest/gtest.h>

#include <boost/json.hpp>
#include <limits>
#include <string>
#include <vector>

#include "migrator/base/error.h"

namespace cardswap {
namespace {

namespace json = boost::json;

const Route kRoute{"a", "b", "replay"};
const StallAndLost kPredicted{100, 200};

/// Moves that were so many times what had been predicted of stall, and of lost time.
PastPredictions of(const std::vector<std::pair<double, double>>& moves) {
  PastPredictions past;
  for (const auto& [stall, lost] : moves) {
    past.note(kRoute, kPredicted, {stall * kPredicted.stall_ms, lost * kPredicted.lost_ms});
  }
  return past;
}

TEST(PastPredictions, OfTwoMovesCorrectNothing) {
  const auto made = of({{2, 2}, {2, 2}}).corrected(kRoute, kPredicted);
  EXPECT_EQ(made.moves, 0U);
  EXPECT_EQ(made.corrected.stall_ms, 100);
  EXPECT_EQ(made.corrected.lost_ms, 200);
}

TEST(PastPredictions, OfThreeMovesCorrectByTheMedianOfEach) {
  const auto made = of({{2, 1}, {9, 1.5}, {1.5, 12}}).corrected(kRoute, {10, 50});
  EXPECT_EQ(made.moves, 3U);
  EXPECT_EQ(made.raw.stall_ms, 10);
  EXPECT_EQ(made.raw.lost_ms, 50);
  EXPECT_NEAR(made.corrected.stall_ms, 20, 1e-9);
  EXPECT_NEAR(made.corrected.lost_ms, 75, 1e-9);
}

TEST(PastPredictions, AreOfTheirRouteAlone) {
  const auto past = of({{2, 2}, {2, 2}, {2, 2}});
  for (const Route& other :
       {Route{"a", "c", "replay"}, Route{"c", "b", "replay"}, Route{"a", "b", "rounds"}}) {
    EXPECT_EQ(past.corrected(other, kPredicted).moves, 0U);
  }
}

TEST(PastPredictions, CorrectByAFactorOfFourAtMost) {
  EXPECT_NEAR(of({{9, 9}, {9, 9}, {9, 9}}).corrected(kRoute, kPredicted).corrected.stall_ms, 400,
              1e-9);
  EXPECT_NEAR(of({{0, 0}, {0, 0}, {0, 0}}).corrected(kRoute, kPredicted).corrected.stall_ms, 25,
              1e-9);
}

TEST(PastPredictions, NeverLeaveLessLostThanOneStepIsLate) {
  const auto made = of({{4, 0.3}, {4, 0.3}, {4, 0.3}}).corrected(kRoute, kPredicted);
  EXPECT_EQ(made.corrected.lost_ms, made.corrected.stall_ms);
}

TEST(PastPredictions, ForgetAllButTheLatestMovesOfARoute) {
  std::vector<std::pair<double, double>> moves(PastPredictions::kMovesKept, {3, 3});
  moves.insert(moves.end(), PastPredictions::kMovesKept, {0.5, 0.5});
  const auto made = of(moves).corrected(kRoute, kPredicted);
  EXPECT_EQ(made.moves, PastPredictions::kMovesKept);
  EXPECT_NEAR(made.corrected.stall_ms, 50, 1e-9);
}

TEST(PastPredictions, ForgetTheRouteThatWasUsedLongestAgo) {
  PastPredictions past;
  const auto use = [&](std::size_t index) {
    for (int i = 0; i < 3; ++i) past.note({"a", std::to_string(index), "replay"}, {1, 1}, {2, 2});
  };
  for (std::size_t i = 0; i < PastPredictions::kRoutesMax; ++i) use(i);
  use(0);
  use(PastPredictions::kRoutesMax);
  EXPECT_EQ(past.corrected({"a", "0", "replay"}, kPredicted).moves, 6U);
  EXPECT_EQ(past.corrected({"a", "1", "replay"}, kPredicted).moves, 0U);
}

TEST(PastPredictions, LearnNothingFromWhatWasNotPredictedOrIsNoTime) {
  PastPredictions past;
  const auto nan = std::numeric_limits<double>::quiet_NaN();
  const auto inf = std::numeric_limits<double>::infinity();
  for (int i = 0; i < 3; ++i) {
    past.note(kRoute, {0, 0}, {5, 5});
    past.note(kRoute, {nan, 5}, {5, 5});
    past.note(kRoute, {5, 5}, {inf, 5});
    past.note(kRoute, {5, 5}, {-1, 5});
  }
  EXPECT_EQ(past.corrected(kRoute, kPredicted).moves, 0U);
}

TEST(PastPredictions, AreReadAsTheyWereWritten) {
  const auto past = of({{2, 1}, {0, 100}, {1.5, 12}});
  const auto again = PastPredictions::from_json(json::parse(json::serialize(past.to_json())));
  EXPECT_EQ(again.to_json(), past.to_json());
  EXPECT_EQ(again.corrected(kRoute, kPredicted).moves, 3U);
}

TEST(PastPredictions, ThatNoAgentWroteAreRefused) {
  const auto good = json::serialize(of({{2, 1}}).to_json());
  const auto with = [&](std::string_view part, std::string_view other) {
    auto text = good;
    const auto at = text.find(part);
    EXPECT_NE(at, std::string::npos) << part << " in " << text;
    return text.replace(at, part.size(), other);
  };
  std::string many = R"({"version":1,"routes":[)";
  for (std::size_t i = 0; i <= PastPredictions::kRoutesMax; ++i) {
    many += (i == 0 ? "" : ",") + (R"({"from":"a","to":")" + std::to_string(i) +
                                   R"(","strategy":"replay","stall":[1],"lost":[1]})");
  }
  for (const auto& text :
       {std::string("[]"), std::string("7"), std::string("{}"),
        with("\"version\":1", "\"version\":2"), with("\"a\"", "\"\""),
        with("\"a\"", "\"a\\u001b\""), with("\"a\"", "7"), with("[2E0]", "[]"),
        with("[2E0]", "[2,2]"), with("[2E0]", "[\"2\"]"), with("[2E0]", "[1e300]"),
        with("[2E0]", "[-1]"), with("[2E0]", "[0]"), many + "]}"}) {
    EXPECT_THROW((void)PastPredictions::from_json(json::parse(text)), Error) << text;
  }
}

}  // namespace
}  // namespace cardswap
