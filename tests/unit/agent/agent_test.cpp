#include <gmock/gmock.h>
#include <sqlite3.h>
#include <sys/resource.h>

#include <boost/json.hpp>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <limits>

#include "agent/base/units.h"
#include "agent/cli/exit_codes.h"
#include "agent/cli/text.h"
#include "agent/handover/migration.h"
#include "agent/handover/reservations.h"
#include "agent/handover/rules.h"
#include "agent/journal/journal.h"

namespace cardswap {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

TEST(Units, AreReadAsPeopleWriteThem) {
  EXPECT_EQ(parse_size("size", "64MiB"), 64U << 20);
  EXPECT_EQ(parse_size("size", "1.5KiB"), 1536U);
  EXPECT_EQ(parse_size("size", "2GB"), 2'000'000'000U);
  EXPECT_EQ(parse_rate("rate", "200MiB/s"), 200U << 20);
  EXPECT_EQ(parse_rate("rate", "none"), 0U);
  EXPECT_EQ(parse_duration("time", "300ms").count(), 300);
  EXPECT_EQ(parse_duration("time", "10m").count(), 600'000);
}

TEST(Units, OfRatesAreBytesAndBitsAsLinksAreNamed) {
  EXPECT_EQ(parse_rate("rate", "10Gbit/s"), 1'250'000'000U);
  EXPECT_EQ(parse_rate("rate", "10Gbps"), 1'250'000'000U);
  EXPECT_EQ(parse_rate("rate", "2.5Gbit/s"), 312'500'000U);
  EXPECT_EQ(parse_rate("rate", "100Mbit/s"), 12'500'000U);
  EXPECT_EQ(parse_rate("rate", "1.25GB/s"), 1'250'000'000U);
  // A small letter at the end could be either.
  EXPECT_THROW((void)parse_rate("rate", "10Gb/s"), Error);
  EXPECT_THROW((void)parse_rate("rate", "10Gbit"), Error);
}

TEST(Units, RefuseALimitOfNothingWithWhatLiftsIt) {
  for (const auto* text : {"0", "0MiB/s", "0.0Gbit/s", "1bit/s"}) {
    try {
      (void)parse_rate("--bandwidth", text);
      ADD_FAILURE() << text;
    } catch (const Error& error) {
      EXPECT_THAT(error.hint(), HasSubstr("none")) << text;
    }
  }
  for (const auto* text : {"0ms", "0s", "0.1ms"}) {
    EXPECT_THROW((void)parse_limit("--max-downtime", text), Error) << text;
  }
  EXPECT_EQ(parse_limit("--max-downtime", "none").count(), 0);
  EXPECT_EQ(parse_limit("--max-downtime", "1ms").count(), 1);
}

TEST(Units, RefuseWhatIsNoNumberWithTheNameAndAnExample) {
  for (const auto* text : {"", "fast", "-1MiB", "1e99GiB", "nan", "inf", "5 MiB", "5MiBs"}) {
    EXPECT_THROW((void)parse_size("--chunk", text), Error) << text;
    EXPECT_THROW((void)parse_duration("--timeout", text), Error) << text;
  }
  EXPECT_THROW((void)parse_rate("--bandwidth", "200MiB"), Error);
  try {
    (void)parse_duration("--timeout", "soon");
    FAIL();
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("--timeout"));
    EXPECT_THAT(error.hint(), HasSubstr("300ms"));
  }
}

TEST(Destination, IsHostPortAndDevice) {
  const auto plain = parse_destination("gpu-b/cpu:0");
  EXPECT_EQ(plain.host, "gpu-b");
  EXPECT_EQ(plain.port, 7070);
  EXPECT_EQ(plain.device, "cpu:0");
  EXPECT_EQ(parse_destination("10.0.0.2:71/cpu:1").port, 71);
  EXPECT_EQ(parse_destination("[::1]:71/cpu:1").host, "::1");
  for (const auto* text : {"", "gpu-b", "/cpu:0", "gpu-b/", "gpu-b:x/cpu:0", "gpu-b:0/cpu:0",
                           "gpu-b:99999/cpu:0", "[::1/cpu:0", ":7070/cpu:0"}) {
    EXPECT_THROW((void)parse_destination(text), Error) << text;
  }
}

TEST(ExitCodes, SayWhetherAnythingWasTouched) {
  EXPECT_EQ(exit_for(Code::bad_request), Exit::usage);
  for (const auto code : {Code::no_memory, Code::refused, Code::unreachable, Code::not_found}) {
    EXPECT_EQ(exit_for(code), Exit::refused);
  }
  for (const auto code : {Code::cancelled, Code::timed_out, Code::not_converging}) {
    EXPECT_EQ(exit_for(code), Exit::aborted);
  }
  EXPECT_EQ(exit_for(Code::in_doubt), Exit::in_doubt);
  EXPECT_EQ(exit_for(Code::link_lost), Exit::failed);
}

TEST(Rules, NameEveryState) {
  for (std::size_t i = 0; i < handover::kStates; ++i) {
    const auto state = static_cast<handover::State>(i);
    EXPECT_EQ(handover::state_from_string(handover::to_string(state)), state);
  }
  EXPECT_FALSE(handover::state_from_string("flying").has_value());
}

TEST(Rules, LetNothingFailOnceCommittedButAProvenLossOfTheTarget) {
  using enum handover::State;
  for (const auto state : {committed, resumed, completed, aborted}) {
    EXPECT_FALSE(rule_for(handover::kSourceRules, state, handover::Event::failed).has_value());
  }
  const auto reclaim = rule_for(handover::kSourceRules, committed, handover::Event::target_is_gone);
  ASSERT_TRUE(reclaim.has_value());
  EXPECT_EQ(reclaim->then, handover::Action::reclaim);
}

AdmissionRequest request_for(std::uint64_t bytes) {
  AdmissionRequest request;
  request.job = "gpt";
  request.device = "cpu:0";
  request.state_bytes = bytes;
  request.devices = {{"cpu:0", "cpu", "", "", 1000, 400, 600, {}}};
  request.host = "gpu-b";
  return request;
}

TEST(Admission, TakesWhatFits) { EXPECT_THAT(admit(request_for(600)).blocked_reasons, IsEmpty()); }

TEST(Admission, SaysWhatIsFreeAndWhatIsNeeded) {
  const auto admission = admit(request_for(601));
  EXPECT_TRUE(admission.no_memory);
  EXPECT_THAT(admission.blocked_reasons,
              ElementsAre("600 B free on cpu:0, 601 B needed for job gpt"));
}

TEST(Admission, GivesEveryReasonAtOnce) {
  auto request = request_for(1);
  request.device = "cpu:9";
  request.name_is_taken = true;
  EXPECT_THAT(admit(request).blocked_reasons,
              ElementsAre("no device cpu:9 on gpu-b; it has cpu:0", HasSubstr("another job")));
}

TEST(Admission, TakesNoJobThatIsHereOrComesFromElsewhereToo) {
  auto request = request_for(1);
  request.by = "gpu-x";
  request.places = kPlacesMax - 1;
  EXPECT_THAT(admit(request).blocked_reasons, IsEmpty());
  request.places = kPlacesMax;
  request.uid_is_taken = request.is_on_its_way = true;
  EXPECT_THAT(admit(request).blocked_reasons,
              ElementsAre(HasSubstr("under another name"), HasSubstr("on its way"),
                          HasSubstr("gpu-x holds 64 places on gpu-b, and an agent may hold 64")));
}

class JournalTest : public ::testing::Test {
 protected:
  JournalTest() {
    std::string pattern = "/tmp/cs-journal-XXXXXX";
    dir_ = ::mkdtemp(pattern.data());
  }
  ~JournalTest() override { std::filesystem::remove_all(dir_); }
  std::filesystem::path dir_;
};

TEST_F(JournalTest, KeepsTheLastRecordUnderAnIdInOrder) {
  {
    Journal journal(dir_ / "j.db");
    journal.put(Journal::Kind::job, "1", {{"step", 1}});
    journal.put(Journal::Kind::job, "2", {{"step", 5}});
    journal.put(Journal::Kind::job, "1", {{"step", 2}});
    journal.put(Journal::Kind::migration, "1", {{"to", "b"}});
  }
  const Journal again(dir_ / "j.db");
  const auto jobs = again.all(Journal::Kind::job);
  ASSERT_THAT(jobs, SizeIs(2));
  EXPECT_EQ(jobs[0].at("step"), 2);
  EXPECT_THAT(again.all(Journal::Kind::migration), SizeIs(1));
  EXPECT_THAT(again.warnings(), IsEmpty());
}

TEST_F(JournalTest, PutsADamagedFileAsideAndStartsAfresh) {
  std::ofstream(dir_ / "j.db") << std::string(10000, 'x');
  Journal journal(dir_ / "j.db");
  EXPECT_THAT(journal.warnings(), ElementsAre(HasSubstr("corrupt-")));
  journal.put(Journal::Kind::job, "1", {{"step", 1}});
  EXPECT_THAT(journal.all(Journal::Kind::job), SizeIs(1));
}

/// Method: another connection holds it longer than the journal waits.
TEST_F(JournalTest, LeavesAFileThatSomebodyHoldsWhereItIs) {
  Journal(dir_ / "j.db").put(Journal::Kind::job, "1", {{"step", 1}});
  sqlite3* db = nullptr;
  ASSERT_EQ(sqlite3_open((dir_ / "j.db").c_str(), &db), SQLITE_OK);
  ASSERT_EQ(sqlite3_exec(db, "BEGIN EXCLUSIVE", nullptr, nullptr, nullptr), SQLITE_OK);
  EXPECT_THROW(const Journal held(dir_ / "j.db"), Error);
  sqlite3_close(db);
  const Journal again(dir_ / "j.db");
  EXPECT_THAT(again.warnings(), IsEmpty());
  EXPECT_THAT(again.all(Journal::Kind::job), SizeIs(1));
}

/// Method: no file of this process may grow any more, as on a disk without a free byte.
TEST_F(JournalTest, SaysThatNothingCanBeWrittenOnceTheDiskIsFull) {
  Journal(dir_ / "j.db").put(Journal::Kind::job, "1", {{"step", 1}});
  Journal journal(dir_ / "j.db");
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
  const rlimit full{.rlim_cur = 4096, .rlim_max = before.rlim_max};
  const auto on_excess = std::signal(SIGXFSZ, SIG_IGN);
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &full), 0);
  const auto said = journal.write_failure();
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &before), 0);
  std::signal(SIGXFSZ, on_excess);
  EXPECT_THAT(said, HasSubstr("write the journal"));
  EXPECT_EQ(journal.write_failures(), 1U);
  journal.put(Journal::Kind::job, "2", {{"step", 2}});
  EXPECT_THAT(journal.all(Journal::Kind::job), SizeIs(2));
}

TEST_F(JournalTest, WritesNothingThatItCouldNotReadAgain) {
  Journal journal(dir_ / "j.db");
  journal.put(Journal::Kind::job, "1", {{"step_ms", 1.5}});
  EXPECT_THROW(
      journal.put(Journal::Kind::job, "1", {{"step_ms", std::numeric_limits<double>::quiet_NaN()}}),
      Error);
  EXPECT_THROW(journal.put(Journal::Kind::job, "1", {{"name", "\xff\xfe"}}), Error);
  EXPECT_THAT(journal.all(Journal::Kind::job), ElementsAre(boost::json::object{{"step_ms", 1.5}}));
}

TEST_F(JournalTest, LosesOfADamagedRecordThatRecordAlone) {
  {
    Journal journal(dir_ / "j.db");
    for (const auto* id : {"1", "2", "3"}) journal.put(Journal::Kind::job, id, {{"id", id}});
  }
  sqlite3* db = nullptr;
  ASSERT_EQ(sqlite3_open((dir_ / "j.db").c_str(), &db), SQLITE_OK);
  ASSERT_EQ(sqlite3_exec(db, "UPDATE records SET document = '{\"ms\":NaN}' WHERE id = '2'", nullptr,
                         nullptr, nullptr),
            SQLITE_OK);
  sqlite3_close(db);
  Journal journal(dir_ / "j.db");
  EXPECT_THAT(journal.all(Journal::Kind::job), SizeIs(2));
  EXPECT_THAT(journal.warnings(), ElementsAre(AllOf(HasSubstr("job 2"), HasSubstr("damaged"))));
  EXPECT_EQ(journal.damaged_records(), 1U);
  std::vector<std::string> taken;
  journal.each(Journal::Kind::job, [&](const boost::json::object& record) {
    const std::string id(record.at("id").as_string());
    if (id == "3") throw std::out_of_range("a field that there is not");
    taken.push_back(id);
  });
  EXPECT_THAT(taken, ElementsAre("1"));
  EXPECT_THAT(journal.all(Journal::Kind::job), SizeIs(1));
  EXPECT_EQ(journal.damaged_records(), 2U);
}

TEST(Table, PadsColumnsToTheirWidestCell) {
  EXPECT_EQ(cli::table({{"NAME", "STEP"}, {"a-long-name", "7"}}),
            "NAME         STEP\na-long-name  7\n");
}

boost::json::object syncing_migration() {
  return {{"state", "syncing"},
          {"max_downtime_ms", 300},
          {"progress",
           {{"rounds", 2},
            {"transferred", 5 << 20},
            {"total", 10 << 20},
            {"remaining", 1 << 20},
            {"rate", 3 << 20},
            {"dirty_rate", 2 << 20},
            {"expected_downtime_ms", 4200.0}}}};
}

TEST(ProgressLine, NamesWhatMattersMostFirst) {
  EXPECT_EQ(cli::progress_line(syncing_migration(), 200),
            "syncing round 2  1.0 MiB left of 10.0 MiB  downtime now 4.2 s (max 300 ms)  "
            "3.0 MiB/s  dirty 2.0 MiB/s  5.0 MiB sent");
}

TEST(ProgressLine, LeavesOutWholePartsWhereTheTerminalIsNarrow) {
  const auto whole = cli::progress_line(syncing_migration(), 200);
  for (std::size_t width = 1; width < whole.size(); ++width) {
    const auto line = cli::progress_line(syncing_migration(), width);
    EXPECT_LE(line.size(), width);
    EXPECT_TRUE(whole.starts_with(line));
    if (line.size() >= 15) {
      EXPECT_EQ(whole.substr(line.size(), 2), "  ") << line;
    }
  }
}

TEST(ProgressLine, IsTheStateAloneBeforeAnythingIsKnown) {
  EXPECT_EQ(cli::progress_line({{"state", "syncing"}, {"progress", {{"total", 0}}}}, 80),
            "syncing");
}

boost::json::object moved_migration(double downtime_ms, double hold_ms) {
  return {{"result", "ok"},
          {"max_downtime_ms", 300},
          {"downtime_ms", downtime_ms},
          {"progress",
           {{"hold_ms", hold_ms},
            {"freeze_scan_ms", 12},
            {"freeze_send_ms", 20},
            {"freeze_verify_ms", 1}}}};
}

TEST(Summary, NamesWhatTookLongestWhereTheLimitWasExceeded) {
  EXPECT_THAT(cli::summary(moved_migration(299, 0)), Not(HasSubstr("limit")));
  EXPECT_THAT(cli::summary(moved_migration(350, 0)),
              HasSubstr("limit 300 ms, was 350 ms: commit and grant took 317 ms"));
  EXPECT_THAT(cli::summary(moved_migration(100, 250)),
              HasSubstr("limit 300 ms, was 350 ms: the wait before the last step took 250 ms"));
  auto whole = moved_migration(404, 0);
  whole["process"] = {{"freeze_ms", 17}, {"dump_ms", 186}, {"restore_ms", 152}};
  EXPECT_THAT(cli::summary(whole),
              HasSubstr("limit 300 ms, was 404 ms: moving the process took 355 ms"));
}

TEST(JobsTable, ShowsADashForWhatAProgramWithoutARuntimeDoesNotTell) {
  const boost::json::object answer{
      {"jobs",
       {{{"name", "plain"}, {"state", "starting"}, {"device", "cpu:0"}, {"step", 0}},
        {{"name", "gpt"},
         {"state", "running"},
         {"device", "cpu:0"},
         {"step", 7},
         {"median_step_ms", 20.0},
         {"state_bytes", 1 << 20}}}}};
  const auto table = cli::jobs_table(answer, {});
  EXPECT_THAT(table,
              HasSubstr("plain  starting  cpu:0   0s   -     -          -           no Cardswap"));
  EXPECT_THAT(table, HasSubstr("gpt    running   cpu:0   0s   7     20 ms      1.0 MiB"));
}

TEST(JobsTable, ShowsWhatLivesAndWhatNeedsALookAndOneRowAName) {
  using boost::json::array;
  const boost::json::object answer{
      {"jobs",
       {{{"name", "old"}, {"state", "running"}, {"started_at_ms", 0}},
        {{"name", "back"}, {"state", "moved"}, {"moved_to", "b:7070/cpu:0"}},
        {{"name", "back"}, {"state", "standby"}},
        {{"name", "left"},
         {"state", "moved"},
         {"moved_to", "b:7070/cpu:0"},
         {"still_alive", array{12, 13}}},
        {{"name", "gone"}, {"state", "lost"}, {"ended_at_ms", 1}, {"exit_text", "why"}},
        {{"name", "done"}, {"state", "ended"}, {"ended_at_ms", 1}, {"exit_code", 0}}}}};
  const auto table = cli::jobs_table(answer, {.now_ms = 97'200'000});
  EXPECT_THAT(table, HasSubstr("old   running  -       1d3h"));
  EXPECT_THAT(table, HasSubstr("back  standby"));
  EXPECT_THAT(table, Not(HasSubstr("back  moved")));
  EXPECT_THAT(table, HasSubstr("moved to b:7070/cpu:0; processes 12, 13 still alive"));
  EXPECT_THAT(table, HasSubstr("gone  lost"));
  EXPECT_THAT(table, HasSubstr("2 more are over: cardswap jobs --all"));
  EXPECT_THAT(cli::jobs_table(answer, {.all = true}), HasSubstr("back  moved"));
}

}  // namespace
}  // namespace cardswap
