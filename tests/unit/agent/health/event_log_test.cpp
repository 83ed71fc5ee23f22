#include "agent/journal/event_log.h"

#include <gmock/gmock.h>
#include <sqlite3.h>
#include <unistd.h>

#include <boost/json.hpp>
#include <fstream>

#include "agent/health/sources/kernel_log.h"
#include "agent/health/sources/nvml_process.h"
#include "migrator/base/error.h"

namespace cardswap {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class EventLogFile : public ::testing::Test {
 protected:
  EventLogFile() {
    std::string pattern = "/tmp/cs-events-XXXXXX";
    dir_ = ::mkdtemp(pattern.data());
  }
  ~EventLogFile() override { std::filesystem::remove_all(dir_); }
  static boost::json::object event(std::int64_t at, const std::string& device) {
    return {{"at_ms", at}, {"device", device}, {"job", nullptr}, {"text", "it happened"}};
  }
  static std::vector<std::int64_t> times(const std::vector<boost::json::object>& events) {
    std::vector<std::int64_t> found;
    for (const auto& one : events) found.push_back(one.at("at_ms").as_int64());
    return found;
  }
  std::filesystem::path dir_;
};

TEST_F(EventLogFile, KeepsTheNewestInTheirOrderAndOverARestart) {
  {
    EventLog log(dir_ / "j.db", 5);
    for (int i = 1; i <= 8; ++i) log.append({event(i, "cpu:0")});
    log.replace_incidents({event(1, "x"), event(2, "y")}, {});
    log.replace_incidents({event(3, "z")}, {{"why_open", "x"}});
  }
  const EventLog log(dir_ / "j.db", 5);
  EXPECT_THAT(times(log.find({})), ElementsAre(4, 5, 6, 7, 8));
  EXPECT_THAT(times(log.incidents()), ElementsAre(3));
  EXPECT_EQ(log.guards(), (boost::json::object{{"why_open", "x"}}));
  EXPECT_EQ(log.last_id(), 8);
}

TEST_F(EventLogFile, LosesNothingToWhoeverPostsAlerts) {
  auto posted = event(7, "host");
  posted["of_alerts"] = true;
  EventLog log(dir_ / "j.db", 8);
  for (int i = 1; i <= 3; ++i) log.append({event(i, "cpu:0")});
  for (int i = 0; i < 50; ++i) log.append({posted});
  EXPECT_THAT(times(log.find({})), ElementsAre(1, 2, 3, 7, 7));
  for (int i = 11; i <= 18; ++i) log.append({event(i, "cpu:0")});
  EXPECT_THAT(log.find({}), SizeIs(10));
}

TEST_F(EventLogFile, OfAnEarlierReleaseIsReadOn) {
  sqlite3* raw = nullptr;
  ASSERT_EQ(sqlite3_open((dir_ / "j.db").c_str(), &raw), SQLITE_OK);
  EXPECT_EQ(sqlite3_exec(raw,
                         "CREATE TABLE events (id INTEGER PRIMARY KEY AUTOINCREMENT, at_ms INTEGER "
                         "NOT NULL, device TEXT NOT NULL, job TEXT NOT NULL, document TEXT NOT "
                         "NULL); INSERT INTO events (at_ms, device, job, document) VALUES (1, '', "
                         "'', '{\"at_ms\": 1}')",
                         nullptr, nullptr, nullptr),
            SQLITE_OK);
  sqlite3_close(raw);
  EventLog log(dir_ / "j.db", 8);
  log.append({event(2, "cpu:0")});
  EXPECT_THAT(times(log.find({})), ElementsAre(1, 2));
}

TEST_F(EventLogFile, LosesOfADamagedRowThatRowAlone) {
  {
    EventLog log(dir_ / "j.db");
    auto odd = event(2, "cpu:0");
    odd["text"] = "cut \xe4\xb8";
    log.append({event(1, "cpu:0"), odd, event(3, "cpu:0")});
    log.replace_incidents({event(4, "x"), event(5, "y")}, {{"why_open", "x"}});
    log.save_cursor("k", {{"at", 7}});
    EXPECT_THAT(times(log.find({})), ElementsAre(1, 2, 3));
  }
  sqlite3* db = nullptr;
  ASSERT_EQ(sqlite3_open((dir_ / "j.db").c_str(), &db), SQLITE_OK);
  ASSERT_EQ(sqlite3_exec(db,
                         "UPDATE events SET document = '{\"ms\":NaN}' WHERE at_ms = 1;"
                         "UPDATE incidents SET document = 'x' WHERE document LIKE '%4%';"
                         "UPDATE guards SET document = '[]'; UPDATE places SET document = ''",
                         nullptr, nullptr, nullptr),
            SQLITE_OK);
  sqlite3_close(db);
  const EventLog log(dir_ / "j.db");
  EXPECT_THAT(times(log.find({})), ElementsAre(2, 3));
  EXPECT_THAT(times(log.incidents()), ElementsAre(5));
  EXPECT_THAT(log.guards(), IsEmpty());
  EXPECT_THAT(log.cursor("k"), IsEmpty());
}

/// Method: the middle third of a file of events is overwritten.
TEST_F(EventLogFile, ThrowsOnADamagedPageRatherThanForgetWhatIsBehindIt) {
  constexpr int kEvents = 500;
  const auto file = dir_ / "j.db";
  {
    EventLog log(file);
    std::vector<boost::json::object> events;
    for (int i = 1; i <= kEvents; ++i) {
      events.push_back(event(i, "cpu:0"));
      events.back()["text"] = std::string(1000, 'x');
    }
    log.append(events);
    EXPECT_THAT(log.find({.after = 1, .limit = 2 * kEvents}), SizeIs(kEvents - 1));
  }
  const auto size = std::filesystem::file_size(file);
  std::fstream damage(file, std::ios::in | std::ios::out | std::ios::binary);
  damage.seekp(static_cast<std::streamoff>(size / 3));
  damage << std::string(size / 3, '\xff');
  damage.close();
  const EventLog log(file);
  try {
    const auto found = log.find({.after = 1, .limit = 2 * kEvents});
    FAIL() << "as if there were " << found.size() << " events";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Code::corrupt);
    EXPECT_THAT(error.failure(), HasSubstr("read the event log"));
  }
}

TEST_F(EventLogFile, IsAskedByPageDeviceAndTime) {
  EventLog log(dir_ / "j.db");
  log.append({event(1, "cpu:0"), event(2, "cpu:1"), event(3, "cpu:0"), event(4, "cpu:1")});
  EXPECT_THAT(times(log.find({.limit = 2})), ElementsAre(3, 4));
  EXPECT_THAT(times(log.find({.after = 1, .limit = 2})), ElementsAre(2, 3));
  EXPECT_THAT(times(log.find({.device = "cpu:0"})), ElementsAre(1, 3));
  EXPECT_THAT(times(log.find({.since_ms = 3})), ElementsAre(3, 4));
  EXPECT_THAT(log.find({.device = "' OR 1=1 --"}), IsEmpty());
  EXPECT_THAT(log.find({.after = 4}), IsEmpty());
}

TEST(LineSplitter, CutsLinesOfAnyLengthAndBytes) {
  health::LineSplitter splitter(8);
  std::vector<std::string> lines;
  const auto take = [&](std::string_view line) { lines.emplace_back(line); };
  splitter.feed("ab", take);
  splitter.feed("c\n\n0123456789abcdef", take);
  splitter.feed(std::string(100'000, 'x'), take);
  splitter.feed("\nend\n", take);
  EXPECT_THAT(lines, ElementsAre("abc", "", "01234567", "end"));
}

TEST(NvmlLines, AreReadAndWhatIsNoneIsPassedOver) {
  std::vector<health::Finding> findings;
  std::vector<std::string> states;
  std::vector<std::string> devices;
  health::NvmlCallbacks events;
  events.finding = [&](health::Finding finding) { findings.push_back(std::move(finding)); };
  events.state = [&](const std::string& state) { states.push_back(state); };
  events.device = [&](int index, const std::string& uuid, const std::string& pci) {
    devices.push_back(std::to_string(index) + " " + uuid + " " + pci);
  };
  for (const auto* line :
       {"state\tok\t2 devices", "state\tabsent\tno such file", "device\t1\tGPU-x\t0000:3b:00",
        "finding\tGPU-x\t0000:3b:00\txid:79\t1\t0\ttext\twith a tab", "alive", "", "finding",
        "finding\ta\tb", "\t\t\t\t\t\t\t\t", "device\tx", "device\tone\tGPU-y\t0000:3c:00",
        "device\t\tGPU-z\t0000:3d:00"}) {
    health::take_nvml_line(line, events);
  }
  EXPECT_THAT(states, ElementsAre("ok", "absent: no such file"));
  EXPECT_THAT(devices, ElementsAre("1 GPU-x 0000:3b:00"));
  ASSERT_THAT(findings, SizeIs(1));
  EXPECT_EQ(findings[0].code, "xid:79");
  EXPECT_TRUE(findings[0].firing);
  EXPECT_FALSE(findings[0].lasting);
}

}  // namespace
}  // namespace cardswap
