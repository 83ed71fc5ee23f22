#include "agent/handover/source/prediction_book.h"

#include <gmock/gmock.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "tests/support/heard_log.h"
#include "tests/support/temp_dir.h"

namespace cardswap {
namespace {

using test::HeardLog;
using ::testing::HasSubstr;

class PredictionBookTest : public ::testing::Test {
 protected:
  /// One that was predicted to lose 100 ms, parked for 80, and lost 150, parked for 120.
  static TransferRecord moved() {
    TransferRecord transfer;
    transfer.to = "gpu-b:7070/cuda:0";
    transfer.stats.strategy = "replay";
    transfer.stats.expected_stall_ms = 80;
    transfer.stats.expected_lost_ms = 100;
    transfer.downtime_ms = 20;
    transfer.raw_stall_ms = 80;
    transfer.raw_lost_ms = 100;
    Lateness lateness({.step_ms = 50, .spread_ms = 2, .steps = 64});
    lateness.add(80);  // 30 late
    (void)transfer.lost_time.merge(channel::LateSteps{"m-1", lateness, 150, 0, false});
    (void)transfer.lost_time.merge(
        {.known = true, .began = true, .took_ms = std::vector<double>(10, 50), .over = true});
    return transfer;
  }
  [[nodiscard]] std::uint32_t moves_known() const {
    PredictionBook book(file_, "gpu-a");
    book.load();
    return moves_of(book);
  }
  [[nodiscard]] static std::uint32_t moves_of(const PredictionBook& book) {
    auto next = moved();
    book.predict({}, next);
    return next.predicted_from_moves;
  }
  void teach() const {
    PredictionBook book(file_, "gpu-a");
    for (int i = 0; i < 3; ++i) book.learn({}, moved());
  }
  void write(const std::string& text) const { std::ofstream(file_) << text; }

  test::TempDir dir_;
  const std::filesystem::path file_ = dir_.path() / "predictions.json";
  const std::filesystem::path aside_ = dir_.path() / "predictions.json.damaged";
};

TEST_F(PredictionBookTest, CorrectsByWhatEarlierMovesOfTheSameRouteWere) {
  PredictionBook book(file_, "gpu-a");
  for (int i = 0; i < 3; ++i) book.learn({}, moved());
  auto next = moved();
  next.stats.expected_stall_ms = 40;
  next.stats.expected_lost_ms = 60;
  book.predict({}, next);
  EXPECT_EQ(next.predicted_from_moves, 3U);
  EXPECT_EQ(next.raw_stall_ms, 40);
  EXPECT_EQ(next.raw_lost_ms, 60);
  EXPECT_NEAR(next.predicted_stall_ms, 40 * 120.0 / 80, 1e-9);
  EXPECT_NEAR(next.predicted_lost_ms, 60 * 150.0 / 100, 1e-9);
  next.to = "gpu-c:7070/cuda:0";
  book.predict({}, next);
  EXPECT_EQ(next.predicted_from_moves, 0U);
  EXPECT_EQ(next.predicted_stall_ms, 40);
}

TEST_F(PredictionBookTest, LearnsNothingOfAMoveWhoseStepsWereNotHeard) {
  PredictionBook book(file_, "gpu-a");
  auto silent = moved();
  silent.lost_time = {};
  for (int i = 0; i < 3; ++i) book.learn({}, silent);
  EXPECT_EQ(moves_of(book), 0U);
}

TEST_F(PredictionBookTest, IsKnownToTheNextAgent) {
  teach();
  EXPECT_EQ(moves_known(), 3U);
  EXPECT_FALSE(std::filesystem::exists(file_.string() + ".new"));
}

TEST_F(PredictionBookTest, ThatIsHalfWrittenIsSetAsideAndTold) {
  teach();
  std::filesystem::resize_file(file_, std::filesystem::file_size(file_) / 2);
  HeardLog log;
  EXPECT_EQ(moves_known(), 0U);
  EXPECT_THAT(log.text(), HasSubstr("not whole"));
  EXPECT_THAT(log.text(), HasSubstr(aside_.string()));
  EXPECT_TRUE(std::filesystem::exists(aside_));
  teach();
  EXPECT_EQ(moves_known(), 3U) << "a new one is begun";
}

TEST_F(PredictionBookTest, ThatNoAgentWroteIsSetAsideAndTold) {
  for (const auto& text :
       {std::string(R"({"version":2,"routes":[7]})"), std::string(), std::string(2U << 20U, ' ')}) {
    write(text);
    HeardLog log;
    EXPECT_EQ(moves_known(), 0U);
    EXPECT_THAT(log.text(), HasSubstr("is forgotten"));
    EXPECT_FALSE(std::filesystem::exists(file_));
  }
}

TEST_F(PredictionBookTest, ThatOthersMayWriteIsNotBelieved) {
  teach();
  std::filesystem::permissions(file_, std::filesystem::perms::others_write,
                               std::filesystem::perm_options::add);
  HeardLog log;
  EXPECT_EQ(moves_known(), 0U);
  EXPECT_THAT(log.text(), HasSubstr("others than its owner may write"));
}

/// Whoever opened a pipe would wait for its other end.
TEST_F(PredictionBookTest, ThatIsAPipeKeepsNobodyWaiting) {
  ASSERT_EQ(::mkfifo(file_.c_str(), 0600), 0);
  HeardLog log;
  EXPECT_EQ(moves_known(), 0U);
  EXPECT_THAT(log.text(), HasSubstr("no regular file"));
}

TEST_F(PredictionBookTest, ThatCannotBeWrittenIsToldOnceAndTeachesAllTheSame) {
  PredictionBook book(dir_.path() / "none" / "predictions.json", "gpu-a");
  HeardLog log;
  for (int i = 0; i < 3; ++i) book.learn({}, moved());
  EXPECT_EQ(moves_of(book), 3U);
  const auto text = log.text();
  EXPECT_THAT(text, HasSubstr("No such file"));
  EXPECT_EQ(text.find("No such file"), text.rfind("No such file"));
}

}  // namespace
}  // namespace cardswap
