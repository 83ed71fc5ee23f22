#include "migrator/engine/source/context/stats_reporter.h"

#include <gmock/gmock.h>

#include "migrator/engine/source/replay/replay_report.h"
#include "migrator/engine/source/sending/busy_rate_meter.h"
#include "migrator/engine/source/sending/payload_sender.h"

namespace cardswap {
namespace {

using std::chrono::milliseconds;
using ::testing::HasSubstr;

class StandingProgram final : public SourceProgram {
 public:
  StateView state_view() override { return {}; }
  std::uint64_t step() override { return 1; }
  double median_step_ms() override { return 7; }
};

class FiguresTest : public ::testing::Test {
 protected:
  FiguresTest() {
    callbacks_.progress = [this](const MigrationStats&) { ++reports_; };
  }
  StandingProgram program_;
  SourceCallbacks callbacks_;
  LinkStats link_{100e6, 2, 4};
  int reports_ = 0;
  StatsReporter reporter_{program_, callbacks_, [this] { return link_; }};
};

TEST_F(FiguresTest, KeepTheWordOfAFreezePutOffWhenAStrategySpeaks) {
  reporter_.set_remark("by rounds");
  reporter_.note_freeze_put_off("at step 3: too much was left");
  EXPECT_EQ(reporter_.stats().remark,
            "by rounds; freeze put off 1 time, the latest at step 3: too much was left");
  reporter_.set_remark("");
  EXPECT_EQ(reporter_.stats().remark,
            "freeze put off 1 time, the latest at step 3: too much was left");
}

TEST_F(FiguresTest, AreNotReportedAtEverySend) {
  for (int i = 0; i < 100; ++i) reporter_.report(false);
  EXPECT_LT(reports_, 50);
  const auto before = reports_;
  reporter_.report(true);
  EXPECT_EQ(reports_, before + 1);
}

TEST_F(FiguresTest, SumWhatThePartsSay) {
  link_.sent = 100;
  link_.sent_in_downtime = 10;
  link_.codec = Codec::lz4;
  reporter_.note_values(5);
  reporter_.note_replay({.log_entries = 3, .log_lag_bytes = 40});
  reporter_.note_freeze({.scan_ms = 2, .send_ms = 6});
  auto stats = reporter_.stats();
  EXPECT_EQ(stats.transferred, 105U) << "values are sent, too";
  EXPECT_EQ(stats.bytes_in_downtime, 15U);
  EXPECT_EQ(stats.rate, 0U) << "nothing was measured yet";
  EXPECT_EQ(stats.compression, "lz4");
  EXPECT_EQ(stats.log_entries, 3U);
  EXPECT_EQ(stats.log_lag_bytes, 40U);
  EXPECT_EQ(stats.freeze_send_ms, 6);
  EXPECT_EQ(stats.median_step_ms, 7);
  link_.sent = 200;
  reporter_.note_all_replayed();
  stats = reporter_.stats();
  EXPECT_EQ(stats.transferred, 205U);
  EXPECT_EQ(stats.log_lag_bytes, 0U);
  EXPECT_EQ(stats.log_entries, 3U) << "the rest of what was said stays";
}

TEST(BusyRateMeter, CountsNoPauseAsSending) {
  BusyRateMeter meter;
  BusyRateMeter::Clock::time_point now{};
  for (int i = 0; i < 5; ++i) {
    meter.begin(now);
    meter.note_sent(10U << 20U, now);
    meter.end(now += milliseconds(100));
    now += std::chrono::seconds(10);
  }
  EXPECT_NEAR(meter.bytes_per_s(), 10 * (10U << 20U), 1);
}

TEST(BusyRateMeter, CountsALongStretchInParts) {
  BusyRateMeter meter;
  BusyRateMeter::Clock::time_point now{};
  meter.begin(now);
  meter.note_sent(1U << 20U, now += milliseconds(100));
  EXPECT_EQ(meter.bytes_per_s(), 0);
  meter.note_sent(1U << 20U, now += milliseconds(100));
  EXPECT_NEAR(meter.bytes_per_s(), 10 * (1U << 20U), 1);
}

TEST(BusyRateMeter, ForgetsWhatWasMeasuredBeforeItStartedOver) {
  BusyRateMeter meter;
  meter.begin({});
  meter.note_sent(100U << 20U, BusyRateMeter::Clock::time_point(std::chrono::seconds(1)));
  meter.reset_to(5e6);
  EXPECT_NEAR(meter.bytes_per_s(), 5e6, 1);
}

TEST(PayloadWindow, HoldsATenthOfASecondOnASlowLinkAndEnoughForAFastOne) {
  constexpr std::uint64_t kMiB = 1U << 20U;
  EXPECT_EQ(payload_window(0, kMiB), kPayloadsInFlightMax) << "nothing is known yet";
  EXPECT_EQ(payload_window(1e6, kMiB), 2U) << "one on the wire, one behind it";
  EXPECT_EQ(payload_window(50.0 * kMiB, kMiB), 5U);
  EXPECT_EQ(payload_window(1e10, kMiB), kPayloadsInFlightMax);
}

TEST(ReplayReport, SaysNothingWhereAllWentAsPlanned) { EXPECT_EQ(ReplayReport().text(5), ""); }

TEST(ReplayReport, NamesTheFirstFewOfEachKind) {
  ReplayReport report;
  report.add_late("model/expert.7");
  for (int i = 0; i < 9; ++i) report.add_not_replayed("w" + std::to_string(i));
  const auto text = report.text(12);
  EXPECT_THAT(text,
              HasSubstr("1 of 12 shards came during the replay, copied then: model/expert.7;"));
  EXPECT_THAT(text, HasSubstr("9 by rounds, replaying gave other bytes: w0, w1, "));
  EXPECT_THAT(text, HasSubstr("w7, ..."));
  EXPECT_EQ(text.find("w8"), std::string::npos);
  EXPECT_EQ(report.not_replayed(), 9U);
}

}  // namespace
}  // namespace cardswap
