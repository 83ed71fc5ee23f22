#pragma once

#include <gmock/gmock.h>

#include <algorithm>
#include <boost/json.hpp>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>
#include <string>
#include <vector>

#include "tests/support/hosts.h"
#include "tests/support/http.h"
#include "tests/support/leftovers.h"

namespace cardswap::test {

using namespace std::chrono_literals;  // NOLINT(google-global-names-in-headers)

/// What a log says of each step, and of the end; a step that is told twice must be told alike.
inline std::map<std::string, std::string> told(const std::string& log) {
  std::map<std::string, std::string> all;
  std::istringstream lines(log);
  for (std::string line; std::getline(lines, line);) {
    const auto key = line.starts_with("step ") ? line.substr(0, line.find(" loss")) : "end";
    const auto [at, is_new] = all.emplace(key, line);
    EXPECT_TRUE(is_new || at->second == line) << line << " and " << at->second;
  }
  return all;
}

/// A job whose snapshots are taken: an agent, the real command, a trainer that logs each loss bit
/// for bit.
class SnapshotJob : public ::testing::Test {
 protected:
  using Words = std::vector<std::string>;

  static constexpr const char* kBytes = "3000000";  // three chunks

  void start(const Words& more = {}, const std::string& steps = "400") {
    Words program{trainer("plain_memory"), "--bytes", kBytes, "--steps", steps};
    program.insert(program.end(), more.begin(), more.end());
    start_program(program, {"--step-ms", "10", "--wait-while", path("wait")});
  }
  /// `unlogged`: what changes no loss.
  void start_program(const Words& program, const Words& unlogged) {
    program_ = program;
    auto argv = program;
    argv.insert(argv.end(), unlogged.begin(), unlogged.end());
    argv.insert(argv.end(), {"--loss-log", log_.string()});
    host_.run_job("job", argv);
    ASSERT_TRUE(within(30s, [&] { return host_.step_of("job") >= 5; })) << host_.log();
    trainer_ = static_cast<int>(number(host_.job("job"), "pid"));
  }

  [[nodiscard]] std::string path(const std::string& name) const {
    return (dir_.path() / name).string();
  }
  [[nodiscard]] std::string store() const { return "file:" + path("store"); }
  [[nodiscard]] boost::json::object snapshot(const Words& more = {}) const {
    Words all{"snapshot", "job", "--to", store()};
    all.insert(all.end(), more.begin(), more.end());
    return host_.ask(all);
  }
  /// The snapshots that the store has of the job, the newest first.
  [[nodiscard]] boost::json::array history() const {
    return host_.ask({"history", "job", "--store", store()}).at("snapshots").as_array();
  }
  [[nodiscard]] boost::json::object restored(const std::string& name = "job@latest") const {
    return host_.ask({"restore", name, "--store", store()});
  }

  /// By what it logs: while a keeper is there, the agent knows two processes of that name.
  [[nodiscard]] bool trains_on() const {
    const auto before = std::filesystem::file_size(log_);
    return within(10s, [&] { return std::filesystem::file_size(log_) > before; });
  }
  void kill_trainer() {
    ASSERT_EQ(::kill(trainer_, SIGKILL), 0);
    ASSERT_TRUE(host_.ended_within("job", 30s)) << host_.log();
  }
  /// The store's packs, the newest last.
  [[nodiscard]] std::vector<std::filesystem::path> packs() const {
    std::vector<std::filesystem::path> all;
    for (const auto& one : std::filesystem::recursive_directory_iterator(path("store/packs"))) {
      if (one.path().extension() == ".pack") all.push_back(one.path());
    }
    std::ranges::sort(all, {},
                      [](const auto& pack) { return std::filesystem::last_write_time(pack); });
    return all;
  }
  /// One bit of a pack, as a disk that forgets would have it; a damaged one is damaged further.
  static void damage(const std::filesystem::path& pack, std::streamoff at = 1000) {
    std::filesystem::permissions(pack, std::filesystem::perms::owner_all);
    std::fstream file(pack, std::ios::in | std::ios::out | std::ios::binary);
    file.seekg(at);
    const auto byte = static_cast<char>(file.get());
    file.seekp(at);
    file.put(static_cast<char>(byte ^ 1));
  }
  void damage_the_packs() const {
    const auto all = packs();
    ASSERT_FALSE(all.empty());
    for (const auto& pack : all) damage(pack);
  }
  void expect_nothing_left() const {
    EXPECT_TRUE(within(10s, [&] { return host_.leftovers().empty(); })) << host_.leftovers();
  }
  void expect_the_undisturbed_end() const {
    ASSERT_TRUE(host_.ended_within("job", 60s)) << host_.log();
    EXPECT_EQ(text(host_.job("job"), "state"), "ended") << host_.log();
    EXPECT_EQ(told(losses(log_)), told(undisturbed(program_)));
  }

  /// Without waiting for its end.
  void expect_undisturbed_so_far() const {
    const auto all = told(undisturbed(program_));
    for (const auto& [step, line] : told(losses(log_))) {
      ASSERT_TRUE(all.contains(step)) << line;
      EXPECT_EQ(line, all.at(step));
    }
  }

  TempDir dir_;
  NothingOutlives guard_{dir_.path()};
  std::filesystem::path log_ = dir_.path() / "losses";
  Words program_;
  int trainer_ = 0;
  Host host_{dir_.path() / "a", {.name = "a", .devices = {"cpu:0", "cpu:1"}}};
};

}  // namespace cardswap::test
