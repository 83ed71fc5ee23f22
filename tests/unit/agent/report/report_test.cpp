#include "agent/report/report.h"

#include <gmock/gmock.h>

#include <boost/json.hpp>
#include <filesystem>
#include <fstream>
#include <limits>

#include "agent/handover/source/migration.h"
#include "agent/report/axis.h"
#include "agent/report/html.h"
#include "agent/report/output.h"
#include "agent/report/summary.h"
#include "agent/report/svg.h"
#include "agent/report/trace.h"

namespace cardswap::report {
namespace {

namespace json = boost::json;
using handover::SourceState;
using ::testing::AllOf;
using ::testing::AnyOf;
using ::testing::Contains;
using ::testing::Field;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

/// What the journal holds of one that moves one process.
struct Recorded : MigrationRecord {
  TransferRecord transfer;
};

/// A migration as the agent has it, `scale` times as long as one second.
Recorded migration(double scale = 1) {
  const auto ms = [&](double at) { return static_cast<std::int64_t>(at * scale); };
  Recorded m;
  m.id = "m-1";
  m.spec.job = "gpt";
  m.transfer.from = "a/cpu:0";
  m.spec.to = "b:7070/cpu:0";
  m.side = handover::SourceSide({SourceState::completed, 2, 1, {Digest{{1}}, 17}});
  m.started_at_ms = 1'700'000'000'000;
  m.history = {{"planned", m.started_at_ms},
               {"preparing", m.started_at_ms + ms(1)},
               {"standby_ready", m.started_at_ms + ms(200)},
               {"syncing", m.started_at_ms + ms(201)},
               {"converged", m.started_at_ms + ms(800)},
               {"freezing", m.started_at_ms + ms(801)},
               {"verifying", m.started_at_ms + ms(850)},
               {"committed", m.started_at_ms + ms(870)},
               {"resumed", m.started_at_ms + ms(900)},
               {"completed", m.started_at_ms + ms(990)}};
  m.ended_at_ms = m.started_at_ms + ms(1000);
  m.result = MigrationResult::ok;
  m.transfer.predicted_downtime_ms = 60;
  m.transfer.downtime_ms = 40;
  m.transfer.clock_error_ms = 0.1;
  m.transfer.stats.phase = MigrationPhase::verify;
  m.transfer.stats.strategy = "replay";
  m.transfer.stats.total = 8U << 20;
  m.transfer.stats.transferred = 10U << 20;
  m.transfer.stats.bytes_in_downtime = 1U << 20;
  m.transfer.stats.freeze_scan_ms = 5;
  m.transfer.stats.freeze_send_ms = 10;
  m.transfer.stats.freeze_verify_ms = 5;
  m.transfer.stats.log_wait_ms = 12;
  m.transfer.stats.median_step_ms = 20;
  m.transfer.stats.rounds = 2;
  TimelineSample sample;
  for (int i = 0; i <= 10; ++i) {
    sample.at_ms = ms(i * 90);
    sample.state = i < 3   ? SourceState::preparing
                   : i < 9 ? SourceState::syncing
                           : SourceState::verifying;
    sample.phase = i < 3 ? "" : i < 6 ? "base_copy" : i < 9 ? "replay" : "frozen";
    sample.step = static_cast<std::uint64_t>(7 + i);
    sample.transferred = i < 3 ? 0 : static_cast<std::uint64_t>(i - 2) << 20;
    sample.log_lag_bytes = i < 6 ? 0 : 4096;
    m.transfer.timeline.add(sample);
  }
  return m;
}

Report report_of(const Recorded& recorded) {
  const Migration m(recorded, {recorded.transfer});
  return make_report(to_json(m), timeline_json(m));
}

/// One that was given up while it synced.
Recorded given_up() {
  auto m = migration();
  m.side = handover::SourceSide({SourceState::aborted, 2, 1});
  m.result = MigrationResult::failed;
  m.transfer.downtime_ms = 0;
  m.transfer.predicted_downtime_ms = 0;
  m.history.resize(4);
  m.history.emplace_back("aborting", m.started_at_ms + 500);
  m.history.emplace_back("aborted", m.started_at_ms + 990);
  m.error = Error(Code::link_lost, "the link broke", "look at the network");
  return m;
}

std::uint64_t sum(const std::vector<Bytes>& parts) {
  std::uint64_t result = 0;
  for (const auto& part : parts) result += part.bytes;
  return result;
}

TEST(Report, AccountsForEveryByteAndForTheWholeDowntime) {
  const auto r = report_of(migration());
  EXPECT_EQ(sum(r.bytes), r.transferred);
  EXPECT_THAT(r.bytes, Contains(Field(&Bytes::what, "in the downtime")));
  EXPECT_THAT(r.bytes, Contains(Field(&Bytes::what, "base copy")));
  const auto& d = r.downtime;
  EXPECT_DOUBLE_EQ(d.scan_ms + d.send_ms + d.verify_ms + d.grant_ms, 40);
  EXPECT_EQ(r.states.size(), 10U);
  EXPECT_DOUBLE_EQ(r.states[3].ms(), 599);
}

/// Each of many steps waited, and none of that is downtime.
TEST(Report, TellsFirstWhatTheJobLost) {
  auto m = migration();
  auto& lost = m.transfer.lost_time;
  Lateness lateness({.step_ms = 20, .spread_ms = 1, .steps = 64});
  for (int i = 0; i < 30; ++i) lateness.add(50);
  (void)lost.merge(channel::LateSteps{"m-1", lateness, 20, 0, false});
  (void)lost.merge(FirstStepsReport{.known = true, .began = true, .took_ms = {20, 21}});
  const auto r = report_of(m);
  EXPECT_EQ(r.lost.lost_ms, 30 * 30 + 40);
  EXPECT_EQ(r.lost.stall_ms, 40);
  EXPECT_EQ(r.lost.lost_steps, 47);
  const auto text = to_text(r);
  EXPECT_THAT(text, HasSubstr("lost       940 ms (47 steps), so far\n"));
  EXPECT_THAT(text, HasSubstr("2 of 10 steps after it are in it"));
  EXPECT_LT(text.find("stall "), text.find("downtime "));
  EXPECT_THAT(text, HasSubstr("warning    the job lost 940 ms, 47 steps, and stood still for"));
  EXPECT_EQ(to_json(r).at("lost_ms"), 940.0);
  EXPECT_THAT(to_html(r), HasSubstr(">940 ms<"));

  lost.end("");
  EXPECT_THAT(to_text(report_of(m)), Not(HasSubstr("so far")));
  lost = {};
  lost.end("the job ended first");
  EXPECT_THAT(to_text(report_of(m)), HasSubstr("lost       not known: the job ended first\n"));
  EXPECT_THAT(to_text(report_of(m)), Not(HasSubstr("the job lost")));
}

TEST(Report, AccountsForWhatMovingTheProcessTook) {
  auto m = migration();
  m.spec.arrive = ArrivalMode::criu;
  m.transfer.downtime_ms = 400;
  m.transfer.process = {};
  m.transfer.process.freeze_ms = 25;
  m.transfer.process.driver_suspend_ms = 40;
  m.transfer.process.dump_ms = 100;
  m.transfer.process.ship_ms = 50;
  m.transfer.process.restore_ms = 120;
  m.transfer.process.driver_resume_ms = 30;
  m.transfer.process.verify_ms = 10;
  const auto r = report_of(m);
  std::vector<std::string> names;
  double sum = 0;
  for (const auto& part : r.downtime.process) {
    names.push_back(part.name);
    sum += part.ms;
  }
  EXPECT_THAT(names, ::testing::ElementsAre("depart", "save GPU state", "dump", "ship", "restore",
                                            "put GPU state back", "verify image"));
  EXPECT_DOUBLE_EQ(sum, 5 + 40 + 100 + 50 + 120 + 30 + 10);
  EXPECT_DOUBLE_EQ(r.downtime.grant_ms, 400 - 20 - sum);
  EXPECT_THAT(to_text(r), HasSubstr("save GPU state 40 ms, dump 100 ms, ship 50 ms"));
  EXPECT_THAT(to_text(r), HasSubstr("moving the process itself took 355 ms"));
  EXPECT_THAT(to_html(r), HasSubstr("put GPU state back"));
  EXPECT_THAT(report_of(migration()).downtime.process, IsEmpty()) << "a standby";
}

TEST(Report, TellsOfAStagedGpu) {
  auto m = migration();
  const auto says = HasSubstr("passed through this host's");
  m.transfer.stats.gpu_path = GpuPath::staged;
  EXPECT_THAT(to_text(report_of(m)), says);
  m.transfer.stats.gpu_path = GpuPath::direct;
  EXPECT_THAT(to_text(report_of(m)), Not(says));
}

TEST(Report, SaysWhatEachSideDid) {
  const auto r = report_of(migration());
  ASSERT_EQ(r.source.size(), 4U);
  EXPECT_EQ(r.source[1].name, "held");
  EXPECT_DOUBLE_EQ(r.source[1].ms(), 12);
  EXPECT_EQ(r.source.back().name, "stopped");
  ASSERT_EQ(r.target.back().name, "trains");
  EXPECT_DOUBLE_EQ(r.target.back().from_ms, 890);
}

TEST(Report, OfAFailureSaysWhyAndThatTheJobGoesOn) {
  const auto r = report_of(given_up());
  const auto text = to_text(r);
  EXPECT_THAT(text, AllOf(HasSubstr("failed"), HasSubstr("the link broke"),
                          HasSubstr("hint: look at the network"), HasSubstr("goes on at a/cpu:0")));
  EXPECT_EQ(r.source.back().name, "trains");
  EXPECT_EQ(r.target.back().name, "standby");
  EXPECT_THAT(to_html(r), HasSubstr("given up after 500 ms"));
  EXPECT_EQ(sum(r.bytes), r.transferred);
}

TEST(Report, TellsWhatAnAuditFound) {
  auto m = migration();
  m.transfer.stats.shards_not_replayed = 2;
  m.transfer.stats.not_replayed = "model.a, model.b";
  EXPECT_THAT(to_text(report_of(m)),
              HasSubstr("2 shards different after replay (model.a, model.b)"));
}

TEST(Report, TellsOfAPredictionThatWasWrong) {
  auto m = migration();
  EXPECT_THAT(to_text(report_of(m)), Not(HasSubstr("the prediction was")));
  m.transfer.downtime_ms = 400;
  EXPECT_THAT(to_text(report_of(m)),
              AllOf(HasSubstr("the prediction was 60 ms, 412 ms was measured"),
                    HasSubstr("above the limit of 300 ms")));
}

TEST(Report, CanBeMadeOfNothing) {
  const auto r = make_report({}, {});
  EXPECT_THAT(to_text(r), HasSubstr("there are no samples"));
  EXPECT_THAT(to_html(r), HasSubstr("</html>"));
  EXPECT_FALSE(json::serialize(to_trace(r)).empty());
}

TEST(Report, IsOfTheSameShapeWhetherItTookHalfASecondOrTwoHours) {
  for (const auto scale : {0.002, 0.5, 60.0, 7200.0}) {
    const auto page = to_html(report_of(migration(scale)));
    EXPECT_THAT(page, Not(AnyOf(HasSubstr("nan"), HasSubstr("inf\""), HasSubstr("\"-")))) << scale;
    EXPECT_THAT(page, HasSubstr("time since the migration was planned")) << scale;
  }
}

TEST(Page, EscapesWhatStrangersNamed) {
  const std::string evil = "</title></style><script>alert('\"&\x01\xff')</script>";
  auto m = given_up();
  m.id = m.spec.job = m.transfer.from = m.spec.to = m.transfer.stats.strategy =
      m.transfer.stats.not_replayed = evil;
  m.transfer.stats.shards_not_replayed = 1;
  m.error = Error(Code::link_lost, evil, evil);
  m.history.emplace_back(evil, m.started_at_ms + 995);
  m.transfer.timeline.add(
      {.at_ms = 1000, .state = SourceState::syncing, .phase = "<script>x</script>"});
  const auto page = to_html(report_of(m));
  EXPECT_THAT(page, Not(HasSubstr("<script")));
  EXPECT_THAT(page, Not(HasSubstr("\x01")));
  EXPECT_THAT(page, HasSubstr(R"(&lt;script&gt;alert(&#39;&quot;&amp;\x01?&#39;))"));
  EXPECT_THAT(to_text(report_of(m)), Not(HasSubstr("\x01")));
}

TEST(Page, LoadsNothing) {
  const auto page = to_html(report_of(migration()));
  for (const auto* outside : {"http:", "https:", "<script", "<link", "@import", "url("}) {
    EXPECT_THAT(page, Not(HasSubstr(outside)));
  }
  EXPECT_THAT(page, HasSubstr("prefers-color-scheme: dark"));
}

TEST(Trace, IsValidJsonInTheOrderOfTime) {
  for (const auto& m : {migration(), given_up(), migration(7200)}) {
    const auto trace = json::parse(json::serialize(to_trace(report_of(m)))).as_object();
    const auto& events = trace.at("traceEvents").as_array();
    std::int64_t before = 0;
    std::size_t spans = 0;
    std::size_t counters = 0;
    for (const auto& event : events) {
      const auto at = event.at("ts").as_int64();
      EXPECT_GE(at, before);
      before = at;
      if (event.at("ph").as_string() == "X") {
        ++spans;
        EXPECT_GE(event.at("dur").as_int64(), 0);
      }
      counters += event.at("ph").as_string() == "C" ? 1 : 0;
    }
    EXPECT_GT(spans, 6U);
    EXPECT_GT(counters, 20U);
  }
}

TEST(Axis, HasRoundMarksInAFittingUnit) {
  EXPECT_EQ(time_axis(500, 10).unit, "ms");
  EXPECT_EQ(time_axis(500, 10).ticks.back().label, "500");
  EXPECT_EQ(time_axis(90e3, 10).unit, "s");
  EXPECT_EQ(time_axis(7200e3, 10).unit, "min");
  EXPECT_EQ(time_axis(48 * 3600e3, 10).unit, "h");
  EXPECT_EQ(bytes_axis(5e9, 3, "/s").unit, "GiB/s");
  EXPECT_GE(bytes_axis(5e9, 3).to, 5e9);
  EXPECT_EQ(count_axis(41, 45, 3, "count").ticks.front().label, "40");
  for (const auto max : {0.0, -1.0, 1e-9, 1e18, std::numeric_limits<double>::infinity(),
                         std::numeric_limits<double>::quiet_NaN()}) {
    for (const auto& axis : {time_axis(max, 10), bytes_axis(max, 3), duration_axis(max, 3),
                             count_axis(0, max, 3, "")}) {
      EXPECT_GT(axis.to, axis.from) << max;
      EXPECT_LE(axis.ticks.size(), 13U) << max;
      EXPECT_THAT(axis.ticks, Not(IsEmpty())) << max;
    }
  }
}

TEST(Output, IsWholeOrNotThere) {
  const auto dir =
      std::filesystem::temp_directory_path() / ("cardswap-output-" + std::to_string(::getpid()));
  std::filesystem::create_directory(dir);
  const auto file = (dir / "report.html").string();
  write_output(file, "one");
  write_output(file, "two");
  std::string content;
  std::ifstream(file) >> content;
  EXPECT_EQ(content, "two");
  const auto entries = std::distance(std::filesystem::directory_iterator(dir), {});
  EXPECT_EQ(entries, 1);
  for (const auto& wrong : {(dir / "no" / "x").string(), dir.string()}) {
    try {
      write_output(wrong, "three");
      FAIL();
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), Code::io);
      EXPECT_THAT(error.failure(), HasSubstr(wrong));
      EXPECT_THAT(error.hint(), HasSubstr("folder"));
    }
  }
  write_output("/dev/null", "gone");
  EXPECT_FALSE(std::filesystem::is_regular_file("/dev/null"));
  std::filesystem::remove_all(dir);
}

}  // namespace
}  // namespace cardswap::report
