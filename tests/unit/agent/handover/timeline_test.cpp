#include "agent/handover/source/timeline.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <boost/json.hpp>

#include "agent/handover/source/migration.h"

namespace cardswap {
namespace {

using handover::SourceState;
using ::testing::SizeIs;

TimelineSample at(std::int64_t ms, std::string phase = "rounds",
                  SourceState state = SourceState::syncing) {
  TimelineSample sample;
  sample.at_ms = ms;
  sample.phase = std::move(phase);
  sample.state = state;
  sample.transferred = static_cast<std::uint64_t>(ms) * 1000;
  return sample;
}

bool is_in_order(const Timeline& timeline) {
  return std::ranges::is_sorted(timeline.samples(), {}, &TimelineSample::at_ms);
}

TEST(Timeline, KeepsTheFirstAndTheLatestHoweverOften) {
  Timeline timeline;
  for (int ms = 0; ms < 40; ++ms) timeline.add(at(ms));
  ASSERT_THAT(timeline.samples(), SizeIs(2));
  EXPECT_EQ(timeline.samples().front().at_ms, 0);
  EXPECT_EQ(timeline.samples().back().at_ms, 39);
}

TEST(Timeline, HalvesItselfWhenItIsFull) {
  Timeline timeline;
  constexpr std::int64_t kTwoHours = 7'200'000;
  for (std::int64_t ms = 0; ms <= kTwoHours; ms += 50) {
    timeline.add(at(ms));
    ASSERT_LE(timeline.samples().size(), Timeline::kSamplesMax);
  }
  EXPECT_GE(timeline.samples().size(), Timeline::kSamplesMax / 3);
  EXPECT_EQ(timeline.samples().front().at_ms, 0);
  EXPECT_EQ(timeline.samples().back().at_ms, kTwoHours);
  EXPECT_GT(timeline.interval_ms(), Timeline::kFirstIntervalMs);
  EXPECT_TRUE(is_in_order(timeline));
}

TEST(Timeline, KeepsAShortPhaseOfALongMigration) {
  Timeline timeline;
  for (std::int64_t ms = 0; ms < 3'600'000; ms += 50) timeline.add(at(ms));
  timeline.add(at(3'600'000, "frozen", SourceState::freezing));
  timeline.add(at(3'600'001, "verify", SourceState::verifying));
  for (std::int64_t ms = 3'600'002; ms < 7'200'000; ms += 50) timeline.add(at(ms));
  EXPECT_EQ(std::ranges::count(timeline.samples(), SourceState::freezing, &TimelineSample::state),
            1);
  EXPECT_EQ(std::ranges::count(timeline.samples(), SourceState::verifying, &TimelineSample::state),
            1);
}

TEST(Timeline, IsBoundedWhateverARuntimeSays) {
  Timeline timeline;
  for (int i = 0; i < 20'000; ++i) {
    timeline.add(at(i, std::string(static_cast<std::size_t>(i % 300), 'x')));
    ASSERT_LE(timeline.samples().size(), Timeline::kSamplesMax);
    ASSERT_LE(timeline.samples().back().phase.size(), Timeline::kPhaseBytesMax);
  }
  EXPECT_TRUE(is_in_order(timeline));
}

TEST(Timeline, DoesNotRunBackwardsWithTheClock) {
  Timeline timeline;
  timeline.add(at(500));
  timeline.add(at(100, "frozen"));
  EXPECT_EQ(timeline.samples().back().at_ms, 500);
}

TEST(Timeline, IsTheSameAfterTheJournal) {
  Timeline timeline;
  for (std::int64_t ms = 0; ms < 100'000; ms += 100) timeline.add(at(ms));
  timeline.add(at(100'001, "frozen", SourceState::freezing));
  const auto read = timeline_from_json(to_json(timeline));
  EXPECT_EQ(read.samples(), timeline.samples());
}

TEST(Timeline, LeavesOutWhatIsNoSample) {
  auto samples = boost::json::parse(R"([1, null, {"at_ms": 1}, {"at_ms": 2, "state": "nonsense"},
      {"at_ms": "soon", "state": "syncing", "step": -1, "rate": 1.5, "rounds": 1e99}])")
                     .as_array();
  const auto read = timeline_from_json(samples);
  ASSERT_THAT(read.samples(), SizeIs(1));
  EXPECT_EQ(read.samples().front().step, 0U);
  EXPECT_EQ(read.samples().front().rounds, 0U);
}

TEST(Timeline, IsInTheJournalOnceTheMigrationIsOver) {
  MigrationRecord record;
  record.id = "m-1";
  std::vector<TransferRecord> transfers(1);
  transfers[0].timeline.add(at(1));
  EXPECT_FALSE(to_json(Migration(record, transfers)).contains("timeline"));
  const auto is_on_disk = [&] {
    return to_journal(record, transfers).at("transfers").at(0).as_object().contains("timeline");
  };
  EXPECT_FALSE(is_on_disk());
  record.side = handover::SourceSide({SourceState::aborted, 2, 1});
  record.ended_at_ms = 10;
  EXPECT_TRUE(is_on_disk());
  const auto m = migration_from_journal(to_journal(record, transfers));
  EXPECT_EQ(m.only().record().timeline, transfers[0].timeline);
  const auto served = timeline_json(m);
  EXPECT_THAT(served.at("samples").as_array(), SizeIs(1));
  EXPECT_TRUE(served.at("downtime").at("measured_ms").is_null());
  EXPECT_TRUE(served.at("target").at("resumed_at_ms").is_null());
}

}  // namespace
}  // namespace cardswap
