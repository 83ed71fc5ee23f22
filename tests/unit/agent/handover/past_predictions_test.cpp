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

const MovePath kPath{"a", "b", "replay"};
const StepCost kPredicted{100, 200};

/// Moves that were so many times what had been predicted of stall, and of lost time.
PastPredictions of(const std::vector<std::pair<double, double>>& moves) {
  PastPredictions past;
  for (const auto& [stall, lost] : moves) {
    past.note(kPath, kPredicted, {stall * kPredicted.stall_ms, lost * kPredicted.lost_ms});
  }
  return past;
}

TEST(PastPredictions, OfNoMoveCorrectNothing) {
  const auto made = PastPredictions().corrected(kPath, kPredicted);
  EXPECT_EQ(made.moves, 0U);
  EXPECT_EQ(made.corrected.stall_ms, 100);
  EXPECT_EQ(made.corrected.lost_ms, 200);
}

TEST(PastPredictions, OfOneMoveCorrectByHalfOfWhatItMissed) {
  const auto made = of({{2, 3}}).corrected(kPath, {50, 150});
  EXPECT_EQ(made.moves, 1U);
  EXPECT_EQ(made.raw.stall_ms, 50);
  EXPECT_EQ(made.raw.lost_ms, 150);
  EXPECT_NEAR(made.corrected.stall_ms, 75, 1e-9);
  EXPECT_NEAR(made.corrected.lost_ms, 300, 1e-9);
}

TEST(PastPredictions, OfTwoMovesThatAgreeCorrectByWhatTheyAgreeOn) {
  const auto made = of({{2, 3}, {1.8, 9}}).corrected(kPath, kPredicted);
  EXPECT_EQ(made.moves, 2U);
  EXPECT_NEAR(made.corrected.stall_ms, 180, 1e-9);
  EXPECT_NEAR(made.corrected.lost_ms, 600, 1e-9);
  EXPECT_NEAR(of({{2, 3}, {0.5, 3}}).corrected(kPath, kPredicted).corrected.stall_ms, 100, 1e-9)
      << "one was longer, one was shorter";
}

TEST(PastPredictions, OfMoreMovesCorrectByTheMedianOfEach) {
  const auto made = of({{2, 1.5}, {9, 1.5}, {2, 12}, {2, 1.5}}).corrected(kPath, {50, 150});
  EXPECT_EQ(made.moves, 4U);
  EXPECT_NEAR(made.corrected.stall_ms, 100, 1e-9);
  EXPECT_NEAR(made.corrected.lost_ms, 225, 1e-9);
}

TEST(PastPredictions, OfAnotherSizeCorrectNothing) {
  const auto past = of({{2, 2}, {2, 2}, {2, 2}});
  for (const StepCost& other : {StepCost{30, 200}, {350, 700}, {100, 700}, {100, 50}}) {
    const auto made = past.corrected(kPath, other);
    EXPECT_EQ(made.moves, 0U) << other.stall_ms << ' ' << other.lost_ms;
    EXPECT_EQ(made.corrected.stall_ms, other.stall_ms);
  }
}

TEST(PastPredictions, OfTheSameSizeCountHoweverManyOthersCameLater) {
  auto past = of({{2, 2}, {2, 2}, {2, 2}});
  for (int i = 0; i < 5; ++i) past.note(kPath, {1000, 2000}, {500, 1000});
  EXPECT_NEAR(past.corrected(kPath, kPredicted).corrected.stall_ms, 200, 1e-9);
  EXPECT_NEAR(past.corrected(kPath, {900, 1800}).corrected.stall_ms, 450, 1e-9);
}

TEST(PastPredictions, AreOfTheirRouteAlone) {
  const auto past = of({{2, 2}, {2, 2}, {2, 2}});
  for (const MovePath& other :
       {MovePath{"a", "c", "replay"}, MovePath{"c", "b", "replay"}, MovePath{"a", "b", "rounds"}}) {
    EXPECT_EQ(past.corrected(other, kPredicted).moves, 0U);
  }
}

TEST(PastPredictions, CorrectByAFactorOfFourAtMost) {
  EXPECT_NEAR(of({{9, 9}, {9, 9}, {9, 9}}).corrected(kPath, kPredicted).corrected.stall_ms, 400,
              1e-9);
  EXPECT_NEAR(of({{0, 0}, {0, 0}, {0, 0}}).corrected(kPath, kPredicted).corrected.stall_ms, 25,
              1e-9);
}

TEST(PastPredictions, NeverLeaveLessLostThanOneStepIsLate) {
  const auto made = of({{4, 0.3}, {4, 0.3}, {4, 0.3}}).corrected(kPath, kPredicted);
  EXPECT_EQ(made.corrected.lost_ms, made.corrected.stall_ms);
}

TEST(PastPredictions, ForgetAllButTheLatestMovesOfARoute) {
  std::vector<std::pair<double, double>> moves(PastPredictions::kMovesKept, {3, 3});
  moves.insert(moves.end(), PastPredictions::kMovesCount, {0.5, 0.5});
  const auto past = of(moves);
  EXPECT_EQ(past.to_json().at("routes").at(0).at("moves").as_array().size(),
            PastPredictions::kMovesKept);
  const auto made = past.corrected(kPath, kPredicted);
  EXPECT_EQ(made.moves, PastPredictions::kMovesCount);
  EXPECT_NEAR(made.corrected.stall_ms, 50, 1e-9);
}

TEST(PastPredictions, ForgetTheRouteThatWasUsedLongestAgo) {
  PastPredictions past;
  const auto use = [&](std::size_t index) {
    for (int i = 0; i < 3; ++i)
      past.note({"a", std::to_string(index), "replay"}, kPredicted, {200, 400});
  };
  for (std::size_t i = 0; i < PastPredictions::kPathsMax; ++i) use(i);
  use(0);
  use(PastPredictions::kPathsMax);
  EXPECT_EQ(past.corrected({"a", "0", "replay"}, kPredicted).moves, 6U);
  EXPECT_EQ(past.corrected({"a", "1", "replay"}, kPredicted).moves, 0U);
}

TEST(PastPredictions, LearnNothingFromWhatWasNotPredictedOrIsNoTime) {
  PastPredictions past;
  const auto nan = std::numeric_limits<double>::quiet_NaN();
  const auto inf = std::numeric_limits<double>::infinity();
  for (int i = 0; i < 3; ++i) {
    past.note(kPath, {0, 0}, {5, 5});
    past.note(kPath, {nan, 5}, {5, 5});
    past.note(kPath, {5, 5}, {inf, 5});
    past.note(kPath, {5, 5}, {-1, 5});
  }
  EXPECT_EQ(past.corrected(kPath, kPredicted).moves, 0U);
}

TEST(PastPredictions, AreReadAsTheyWereWritten) {
  const auto past = of({{2, 1}, {0, 100}, {1.5, 12}});
  const auto again = PastPredictions::from_json(json::parse(json::serialize(past.to_json())));
  EXPECT_EQ(again.to_json(), past.to_json());
  EXPECT_EQ(again.corrected(kPath, kPredicted).moves, 3U);
}

TEST(PastPredictions, OfTheVersionWithoutSizesTeachNothing) {
  const auto former = json::parse(R"({"version":1,"routes":[{"from":"a","to":"b",
      "strategy":"replay","stall":[2,2,2],"lost":[1,1,1]}]})");
  EXPECT_EQ(PastPredictions::from_json(former).corrected(kPath, kPredicted).moves, 0U);
}

TEST(PastPredictions, ThatNoAgentWroteAreRefused) {
  const auto good = json::serialize(of({{2, 1}}).to_json());
  const auto with = [&](std::string_view part, std::string_view other) {
    auto text = good;
    const auto at = text.find(part);
    EXPECT_NE(at, std::string::npos) << part << " in " << text;
    return text.replace(at, part.size(), other);
  };
  const std::string move = R"([{"stall_ms":1,"lost_ms":1,"stall_ratio":1,"lost_ratio":1}])";
  std::string many = R"({"version":2,"routes":[)";
  for (std::size_t i = 0; i <= PastPredictions::kPathsMax; ++i) {
    many += (i == 0 ? "" : ",") + (R"({"from":"a","to":")" + std::to_string(i) +
                                   R"(","strategy":"replay","moves":)" + move + "}");
  }
  for (const auto& text :
       {std::string("[]"), std::string("7"), std::string("{}"),
        with("\"version\":2", "\"version\":3"), with("\"a\"", "\"\""),
        with("\"a\"", "\"a\\u001b\""), with("\"a\"", "7"), with("\"stall_ms\":1E2", "\"x\":1"),
        with("\"stall_ms\":1E2", "\"stall_ms\":-1"), with("\"lost_ms\":2E2", "\"lost_ms\":\"2\""),
        with("\"stall_ratio\":2E0", "\"stall_ratio\":1e300"),
        with("\"lost_ratio\":1E0", "\"lost_ratio\":0"), with("\"moves\":[", "\"moves\":[7,"),
        many + "]}"}) {
    EXPECT_THROW((void)PastPredictions::from_json(json::parse(text)), Error) << text;
  }
}

}  // namespace
}  // namespace cardswap
