#include "migrator/engine/source/context/downtime_forecast.h"

#include <gmock/gmock.h>

namespace cardswap {
namespace {

class SevenMsProgram final : public SourceProgram {
 public:
  StateView state_view() override { return {}; }
  std::uint64_t step() override { return 1; }
  double median_step_ms() override { return 7; }
};

class DowntimeForecastTest : public ::testing::Test {
 protected:
  DowntimeForecastTest() {
    events_.converged = [this](double expected_ms) {
      ++offers_;
      offered_ms_ = expected_ms;
    };
    events_.progress = [this](const MigrationStats&) { ++reports_; };
  }
  SourceOptions options_;
  SevenMsProgram program_;
  SourceCallbacks events_;
  LinkStats link_{100e6, 2, 4};
  double digest_rate_ = 0;
  int offers_ = 0;
  int reports_ = 0;
  double offered_ms_ = 0;
  StatsReporter figures_{program_, events_, [this] { return link_; }};
  DowntimeForecast forecast_{options_,
                             program_,
                             events_,
                             figures_,
                             [this] { return link_; },
                             [this] { return digest_rate_; }};
};

TEST_F(DowntimeForecastTest, OffersAFreezeOnceUntilItIsPutOff) {
  forecast_.predict_downtime(1000);
  forecast_.report_converged();
  EXPECT_EQ(offered_ms_, forecast_.expected_downtime_ms());
  EXPECT_EQ(reports_, 1) << "with what it was offered for";
  forecast_.predict_downtime(5000);
  forecast_.report_converged();
  EXPECT_EQ(offers_, 1);
  EXPECT_EQ(forecast_.offered_bytes(), 1000U) << "what the offer was made for";
  EXPECT_EQ(forecast_.expected_bytes(), 5000U);
  forecast_.put_off();
  forecast_.report_converged();
  EXPECT_EQ(offers_, 2);
  EXPECT_EQ(forecast_.offered_bytes(), 5000U);
}

/// What waits from the offer on is the freeze itself.
TEST_F(DowntimeForecastTest, KeepsTheLatenessThatAFreezeWasOfferedWith) {
  forecast_.predict_downtime(1000);
  forecast_.predict_lateness(40, 90);
  forecast_.report_converged();
  forecast_.predict_lateness(50, 100);
  EXPECT_EQ(figures_.stats().expected_stall_ms, 40);
  EXPECT_EQ(figures_.stats().expected_lost_ms, 90);
  forecast_.put_off();
  forecast_.predict_lateness(50, 100);
  EXPECT_EQ(figures_.stats().expected_stall_ms, 50);
  EXPECT_EQ(figures_.stats().expected_lost_ms, 100);
}

TEST_F(DowntimeForecastTest, CountsTheSecondStandOfARehearsal) {
  figures_.note_state(1'000'000'000);
  forecast_.predict_downtime(200'000'000);
  const auto once = forecast_.expected_downtime_ms();
  EXPECT_EQ(forecast_.expected_parked_ms(), once);
  EXPECT_EQ(figures_.stats().expected_stall_ms, once);
  forecast_.expect_rehearsal();
  forecast_.predict_downtime(200'000'000);
  EXPECT_GT(forecast_.expected_downtime_ms(), once + 100);
  EXPECT_LE(forecast_.expected_parked_ms(), once);
  EXPECT_EQ(figures_.stats().expected_downtime_ms, forecast_.expected_downtime_ms());
  EXPECT_EQ(figures_.stats().expected_lost_ms, forecast_.expected_downtime_ms());
  EXPECT_EQ(figures_.stats().expected_stall_ms, forecast_.expected_parked_ms());
}

TEST_F(DowntimeForecastTest, GivesThePlannerBytesOfStateASecond) {
  figures_.note_state(1000);
  digest_rate_ = 3e9;
  const auto measured = forecast_.measurements(300, 5);
  EXPECT_EQ(measured.link_rate, 200e6) << "two bytes of state for each on the wire";
  EXPECT_EQ(measured.state_bytes, 1000U);
  EXPECT_EQ(measured.dirty_bytes, 300U);
  EXPECT_EQ(measured.digest_rate, 3e9);
  EXPECT_EQ(measured.round_trip_ms, 4);
  EXPECT_EQ(measured.step_ms, 7);
  EXPECT_EQ(measured.replay_ms, 5);
}

}  // namespace
}  // namespace cardswap
