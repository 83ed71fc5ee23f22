/// Method: an agent, the real command, a trainer that logs each loss bit for bit. Its state goes to
/// a store while it trains; then it is killed, or its snapshot is, and what goes on from the store
/// has every loss and the last digest of a run that was never disturbed.

#include <gmock/gmock.h>

#include <boost/json.hpp>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>

#include "tests/support/hosts.h"

namespace cardswap::test {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;

namespace json = boost::json;

/// What a log says of each step, and of the end; a step that is told twice must be told alike.
std::map<std::string, std::string> told(const std::string& log) {
  std::map<std::string, std::string> all;
  std::istringstream lines(log);
  for (std::string line; std::getline(lines, line);) {
    const auto key = line.starts_with("step ") ? line.substr(0, line.find(" loss")) : "end";
    const auto [at, is_new] = all.emplace(key, line);
    EXPECT_TRUE(is_new || at->second == line) << line << " and " << at->second;
  }
  return all;
}

class Snapshots : public ::testing::Test {
 protected:
  using Words = std::vector<std::string>;

  void start(const Words& more = {}) {
    program_ = {trainer("plain_memory"), "--bytes", "3000000", "--steps", "400"};
    program_.insert(program_.end(), more.begin(), more.end());
    auto argv = program_;
    argv.insert(argv.end(), {"--step-ms", "10", "--loss-log", log_.string(), "--wait-while",
                             (dir_.path() / "wait").string()});
    host_.run_job("job", argv);
    ASSERT_TRUE(within(30s, [&] { return host_.step_of("job") >= 5; })) << host_.log();
  }
  [[nodiscard]] json::object snapshot(const Words& more = {}) const {
    Words all{"snapshot", "job", "--to", store()};
    all.insert(all.end(), more.begin(), more.end());
    return host_.ask(all);
  }
  [[nodiscard]] std::string store() const { return "file:" + (dir_.path() / "store").string(); }
  void kill_trainer() {
    ASSERT_EQ(::kill(static_cast<int>(number(host_.job("job"), "pid")), SIGKILL), 0);
    ASSERT_TRUE(host_.ended_within("job", 30s)) << host_.log();
  }
  void expect_the_undisturbed_end(const std::string& name) {
    ASSERT_TRUE(host_.ended_within(name, 60s)) << host_.log();
    EXPECT_EQ(text(host_.job(name), "state"), "ended") << host_.log();
    EXPECT_EQ(told(losses(log_)), told(undisturbed(program_)));
  }

  TempDir dir_;
  std::filesystem::path log_ = dir_.path() / "losses";
  Words program_;
  Host host_{dir_.path() / "a", {.name = "a", .devices = {"cpu:0", "cpu:1"}}};
};

TEST_F(Snapshots, AreOfOneStepAndTheJobTrainsOn) {
  start();
  const auto taken = snapshot({"--tag", "first"});
  EXPECT_EQ(text(taken, "result"), "stored");
  EXPECT_EQ(text(taken, "state"), "stored");
  EXPECT_EQ(number(taken, "snapshot"), 1);
  EXPECT_GE(number(taken, "new_bytes"), 2'900'000);
  EXPECT_TRUE(host_.steps_again_within("job", 10s)) << host_.log();
  EXPECT_TRUE(within(10s, [&] { return host_.leftovers().empty(); })) << host_.leftovers();

  const auto second = snapshot();
  EXPECT_EQ(number(second, "snapshot"), 2);
  EXPECT_GT(number(second, "migrated_at_step"), number(taken, "migrated_at_step"));

  const auto history = host_.ask({"history", "job", "--store", store()});
  const auto& all = history.at("snapshots").as_array();
  ASSERT_EQ(all.size(), 2U);
  EXPECT_EQ(all.at(0).at("step"), second.at("migrated_at_step"));
  EXPECT_EQ(all.at(0).at("root"), second.at("root"));
  EXPECT_EQ(all.at(0).at("parents").as_array().at(0), taken.at("manifest"));
  EXPECT_EQ(all.at(1).at("tags").as_array().at(0), "first");

  const auto verified = host_.command({"verify", store()});
  EXPECT_EQ(verified.exit_code, 0) << verified.out << verified.err;
  EXPECT_THAT(host_.command({"show", "job:first", "--store", store()}).out,
              HasSubstr(text(taken, "root")));
  expect_the_undisturbed_end("job");
}

TEST_F(Snapshots, OfAJobThatChangesLittleAddLittle) {
  start({"--dirty-share", "0.1"});
  (void)snapshot();
  const auto second = snapshot();
  EXPECT_LE(number(second, "new_bytes"), 1'100'000) << "one chunk of three changes";
}

TEST_F(Snapshots, BringAKilledJobBackBitForBit) {
  start();
  const auto taken = snapshot();
  const auto step = static_cast<std::int64_t>(number(taken, "migrated_at_step"));
  ASSERT_TRUE(within(30s, [&] { return host_.step_of("job") >= step + 5; })) << host_.log();
  kill_trainer();
  const auto back = host_.ask({"restore", "job@latest", "--store", store()});
  EXPECT_EQ(text(back, "result"), "ok") << host_.log();
  EXPECT_EQ(number(back, "migrated_at_step"), number(taken, "migrated_at_step"));
  EXPECT_EQ(text(back, "root"), text(taken, "root"));
  expect_the_undisturbed_end("job");
}

TEST_F(Snapshots, AreRefusedWhereOneByteIsAnother) {
  start();
  (void)snapshot();
  kill_trainer();
  std::filesystem::path pack;
  for (const auto& one : std::filesystem::recursive_directory_iterator(dir_.path() / "store")) {
    if (one.path().extension() == ".pack") pack = one.path();
  }
  ASSERT_FALSE(pack.empty());
  std::filesystem::permissions(pack, std::filesystem::perms::owner_all);
  std::fstream file(pack, std::ios::in | std::ios::out | std::ios::binary);
  file.seekg(2'000'000);
  const auto byte = static_cast<char>(file.get());
  file.seekp(2'000'000);
  file.put(static_cast<char>(byte ^ 1));
  file.close();
  EXPECT_NE(host_.command({"verify", store(), "job@latest"}).exit_code, 0);
  const auto back = host_.command({"restore", "job@latest", "--store", store()});
  EXPECT_NE(back.exit_code, 0) << back.out;
  EXPECT_TRUE(within(10s, [&] { return host_.leftovers().empty(); })) << host_.leftovers();
}

TEST_F(Snapshots, ToAFolderThatCannotBeMadeLeaveTheJobTraining) {
  start();
  std::ofstream(dir_.path() / "file").put('\n');
  const auto taken =
      host_.command({"snapshot", "job", "--to", "file:" + (dir_.path() / "file/store").string()});
  EXPECT_NE(taken.exit_code, 0) << taken.out;
  EXPECT_TRUE(host_.steps_again_within("job", 10s)) << host_.log();
  EXPECT_TRUE(within(10s, [&] { return host_.leftovers().empty(); })) << host_.leftovers();
  expect_the_undisturbed_end("job");
}

}  // namespace
}  // namespace cardswap::test
