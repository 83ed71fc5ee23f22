/// Method: an agent with certificates, and `evil`, a valid certificate of role agent that another
/// host lost: it asks for places and gives them up again, over and over.

#include <gmock/gmock.h>
#include <signal.h>
#include <sys/stat.h>

#include <boost/json.hpp>
#include <fstream>

#include "tests/support/fleet_certificates.h"

namespace cardswap::test {
namespace {

using namespace std::chrono_literals;
namespace json = boost::json;
namespace fs = std::filesystem;
using ::testing::HasSubstr;
using ::testing::Not;

class Places : public ::testing::Test {
 protected:
  [[nodiscard]] HttpResponse says(const std::string& method, const std::string& target,
                                  const json::object& body = {}) const {
    return ask_over_tls(
        *b_, evil_,
        {.method = method, .target = target, .body = body.empty() ? "" : json::serialize(body)});
  }
  [[nodiscard]] static json::object place(int number, json::array argv = {"/bin/sleep", "1000"}) {
    return {{"migration", id_of(number)},
            {"job", {{"name", "x" + std::to_string(number)}, {"argv", argv}, {"cwd", "/"}}},
            {"device", "cpu:0"},
            {"state_bytes", 4096},
            {"epoch", 1},
            {"from", "evil/cpu:0"},
            {"from_api", "127.0.0.66:7070"}};
  }
  [[nodiscard]] static std::string id_of(int number) {
    return "m-" + std::to_string(10'000'000 + number);
  }
  [[nodiscard]] bool is_taken(const json::object& wanted) const {
    const auto answer = says("POST", "/v1/peer/reservations", wanted);
    if (answer.status == 200 && answer.body.at("accepted").as_bool()) return true;
    ADD_FAILURE() << answer.status << json::serialize(answer.body);
    return false;
  }
  void drop(int number) const {
    EXPECT_EQ(says("DELETE", "/v1/peer/reservations/" + id_of(number) + "?epoch=1").status, 200U);
  }
  [[nodiscard]] std::int64_t resident_kib() const {
    std::ifstream status("/proc/" + std::to_string(b_->agent_pid()) + "/status");
    for (std::string word; status >> word;) {
      std::int64_t kib = 0;
      if (word == "VmRSS:" && status >> kib) return kib;
    }
    return 0;
  }
  [[nodiscard]] fs::path jobs_dir() const { return b_->dir() / "jobs"; }
  [[nodiscard]] std::size_t folders() const {
    return static_cast<std::size_t>(
        std::distance(fs::directory_iterator(jobs_dir()), fs::directory_iterator()));
  }
  /// What the logs of this name take on the disk.
  [[nodiscard]] std::uint64_t disk_of(const std::string& name) const {
    std::uint64_t blocks = 0;
    for (const auto& file : fs::directory_iterator(jobs_dir() / name)) {
      struct stat facts {};
      if (::stat(file.path().c_str(), &facts) == 0) {
        blocks += static_cast<std::uint64_t>(facts.st_blocks);
      }
    }
    return blocks * 512;
  }

  [[nodiscard]] std::vector<std::string> options() const {
    auto more = FleetCertificates::options(fleet_.issue(ApiRole::agent, "b", {"127.0.0.1"}));
    more.insert(more.end(), {"--criu", "none"});
    return more;
  }

  FleetCertificates fleet_;
  TempDir dir_;
  tls::Files evil_ = fleet_.issue(ApiRole::agent, "evil", {"127.0.0.66"});
  std::unique_ptr<Host> b_ =
      std::make_unique<Host>(dir_.path() / "b", HostOptions{.name = "b", .more = options()});
};

TEST_F(Places, ThatCameToNothingTakeNoMemory) {
  json::object env;
  for (const auto* name : {"A", "B", "C", "D", "E", "F", "G"})
    env[name] = std::string(125'000, 'e');
  const auto before = resident_kib();
  for (int i = 0; i < 120; ++i) {
    auto wanted = place(i);
    wanted["job"].as_object()["env"] = env;
    ASSERT_TRUE(is_taken(wanted)) << i;
    drop(i);
  }
  EXPECT_LT(resident_kib() - before, 64 << 10);
}

TEST_F(Places, ThatCameToNothingLeaveTheLastFewLogsAlsoOverARestart) {
  const auto orphan = jobs_dir() / "gone";
  fs::create_directories(orphan);
  std::ofstream(orphan / "log-m-00000abc") << "of a place that nobody remembers\n";
  for (int i = 0; i < 35; ++i) {
    ASSERT_TRUE(is_taken(place(i, {"/bin/sh", "-c", "echo words; exec sleep 1000"}))) << i;
    const auto log = jobs_dir() / ("x" + std::to_string(i)) / ("log-" + id_of(i));
    EXPECT_TRUE(within(5s, [&] { return read_file(log.string()) == "words\n"; })) << i;
    drop(i);
  }
  EXPECT_LE(folders(), 22U) << "20, the orphan, and one that just ends";
  EXPECT_THAT(b_->command({"logs", "x34"}).out, HasSubstr("words")) << "for whoever asks why";
  b_->kill_agent(SIGKILL);
  b_->start_agent();
  EXPECT_LE(folders(), 20U);
  EXPECT_FALSE(fs::exists(orphan));
  EXPECT_THAT(b_->command({"logs", "x34"}).out, HasSubstr("words"));
  for (int i = 35; i < 57; ++i) {
    ASSERT_TRUE(is_taken(place(i))) << i;
    drop(i);
  }
  EXPECT_FALSE(fs::exists(jobs_dir() / "x34")) << "those of before the restart make room too";
  EXPECT_LE(folders(), 21U);
}

TEST_F(Places, ThatCameToNothingLeaveAMebibyteOfALog) {
  ASSERT_TRUE(is_taken(place(1, {"/bin/sh", "-c", "yes | head -c 30000000; exec sleep 1000"})));
  ASSERT_TRUE(within(10s, [&] { return disk_of("x1") > 29'000'000; }));
  drop(1);
  EXPECT_TRUE(within(5s, [&] { return disk_of("x1") <= 1 << 20; })) << disk_of("x1");
}

TEST_F(Places, ThatOperatorsForgotLeaveNothing) {
  b_->run_job("done", {"/bin/sh", "-c", "echo words"});
  ASSERT_TRUE(b_->ended_within("done", 10s));
  ASSERT_THAT(b_->command({"logs", "done"}).out, HasSubstr("words"));
  ASSERT_EQ(b_->command({"forget", "done"}).exit_code, 0);
  EXPECT_FALSE(fs::exists(jobs_dir() / "done"));
}

// ---- whose they are

TEST_F(Places, SayWhoMadeThemWhateverTheirMakerCallsItself) {
  auto wanted = place(1);
  wanted["from"] = "b/cpu:0";
  wanted["from_api"] = "127.0.0.3:7070";  // of a host that the certificate is not for
  ASSERT_TRUE(is_taken(wanted));
  const auto listed = b_->ask({"status", id_of(1)});
  EXPECT_EQ(text(listed, "from"), "evil (says b/cpu:0)");
  EXPECT_EQ(text(listed, "maker"), "evil");
  EXPECT_EQ(text(listed, "job"), "x1");
  EXPECT_THAT(b_->command({"status"}).out, HasSubstr("evil (says b/cpu:0)"));
  EXPECT_THAT(b_->log(), HasSubstr("for evil (says b/cpu:0), by evil"));
  drop(1);
  EXPECT_EQ(text(b_->ask({"status", id_of(1)}), "job"), "x1") << "also when it is over";
  ASSERT_TRUE(is_taken(place(2)));
  EXPECT_EQ(text(b_->ask({"status", id_of(2)}), "from"), "evil/cpu:0") << "its own name";
}

TEST_F(Places, OfAnotherAgentAtThisLoopbackAreNotOfThisOne) {
  b_->run_job("gpt", {trainer("plain_memory"), "--steps", "1000000", "--step-ms", "5"});
  ASSERT_TRUE(within(10s, [&] { return b_->step_of("gpt") >= 3; }));
  const auto port = std::to_string(b_->port());
  const auto here = b_->command({"migrate", "gpt", "--to", "127.0.0.1:" + port + "/cpu:0"});
  EXPECT_THAT(here.err, HasSubstr("it is there already"));
  const auto there = b_->command({"migrate", "gpt", "--to", "127.0.0.6:" + port + "/cpu:0"});
  EXPECT_NE(there.exit_code, 0) << "nobody listens there";
  EXPECT_THAT(there.err, Not(HasSubstr("it is there already")));
}

// ---- and who ends them

TEST_F(Places, AreDroppedByTheOperatorOfTheirHost) {
  ASSERT_TRUE(is_taken(place(1)));
  const auto stopped = b_->command({"stop", "x1"});
  EXPECT_EQ(stopped.exit_code, 3) << "it is no job of this host";
  EXPECT_THAT(stopped.err, HasSubstr("cardswap cancel " + id_of(1)));
  const auto cancelled = b_->command({"cancel", id_of(1)});
  EXPECT_EQ(cancelled.exit_code, 0) << cancelled.err;
  EXPECT_EQ(b_->leftovers(), "");
  const auto told = says("GET", "/v1/peer/reservations/" + id_of(1));
  EXPECT_EQ(text(told.body, "state"), "failed") << "its maker sees that";
  EXPECT_THAT(json::serialize(told.body), HasSubstr("cancelled migration"));
  EXPECT_EQ(b_->command({"cancel", id_of(1)}).exit_code, 3) << "it is over";
}

/// Whoever ends a standby that may have been granted may end the job.
TEST_F(Places, ThatMayHaveBeenGrantedAreLeftToResolve) {
  const auto files = fleet_.issue(ApiRole::agent, "a", {"127.0.0.1"});
  auto more = FleetCertificates::options(files);
  more.insert(more.end(), {"--criu", "none"});
  Host a(dir_.path() / "a", {.name = "a", .more = more});
  a.run_job("gpt", {trainer("plain_memory"), "--steps", "1000000", "--step-ms", "5"});
  ASSERT_TRUE(within(10s, [&] { return a.step_of("gpt") >= 3; }));
  const auto started = a.command({"-o", "json", "migrate", "gpt", "--to", b_->at("cpu:0"),
                                  "--max-downtime", "none", "--hold-at", "committed", "--detach"});
  ASSERT_EQ(started.exit_code, 0) << started.err;
  const auto id = text(json::parse(started.out).as_object(), "id");
  const auto verified = [&] {  // unknown there until it is reserved
    const auto told = b_->command({"-o", "json", "status", id});
    return told.exit_code == 0 && text(json::parse(told.out).as_object(), "state") == "verified";
  };
  ASSERT_TRUE(within(20s, verified));
  a.kill_agent(SIGKILL);
  ASSERT_TRUE(within(30s, [&] { return b_->ask({"status", id}).at("in_doubt").as_bool(); }));
  for (const auto& words : {std::vector<std::string>{"cancel", id}, {"stop", "gpt"}}) {
    const auto refused = b_->command(words);
    EXPECT_EQ(refused.exit_code, 3) << words[0];
    EXPECT_THAT(refused.err, HasSubstr("cardswap resolve " + id + " --force source")) << words[0];
  }
  EXPECT_EQ(text(b_->ask({"status", id}), "state"), "verified");
  EXPECT_EQ(b_->command({"resolve", id, "--force", "source", "--yes"}).exit_code, 0);
  EXPECT_TRUE(within(10s, [&] { return b_->leftovers().empty(); })) << b_->leftovers();
  a.start_agent();  // which knows the job that is to end with its host
}

}  // namespace
}  // namespace cardswap::test
