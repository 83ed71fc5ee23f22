/// Method: an agent of root with jobs of real users. Another user looks for their logs; somebody
/// has put links in the places of the agent's own files.

#include <dirent.h>
#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/stat.h>
#include <unistd.h>

#include <boost/json.hpp>
#include <fstream>

#include "tests/security/users.h"
#include "tests/support/hosts.h"
#include "tests/support/http.h"
#include "tests/support/needs.h"
#include "tests/support/sanitizer.h"

namespace cardswap::test {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;

unsigned mode_of(const std::filesystem::path& path) {
  struct stat facts {};
  return ::stat(path.c_str(), &facts) == 0 ? facts.st_mode & 07777U : 0;
}

class JobFiles : public ::testing::Test {
 protected:
  void SetUp() override {
    if (const auto missing = LocalUser::missing()) return skip_without("root", *missing);
    std::filesystem::permissions(dir_.path(), std::filesystem::perms(0711));
    host_ = std::make_unique<Host>(dir_.path() / "a", HostOptions{.name = "a"});
    std::filesystem::permissions(host_->dir(), std::filesystem::perms(0711));
    std::filesystem::create_directory(victim_);
    std::ofstream(victim_ / "file") << "untouched\n";
    std::filesystem::permissions(victim_, std::filesystem::perms(0700));
    std::filesystem::permissions(victim_ / "file", std::filesystem::perms(0600));
  }
  void expect_untouched() const {
    EXPECT_EQ(mode_of(victim_), 0700U);
    EXPECT_EQ(mode_of(victim_ / "file"), 0600U);
    EXPECT_EQ(read_file((victim_ / "file").string()), "untouched\n");
    EXPECT_FALSE(std::filesystem::exists(victim_ / "log"));
  }
  [[nodiscard]] Outcome start(const std::string& name, const std::string& user,
                              const std::string& script) const {
    return host_->command({"run", "--name", name, "--user", user, "--", "/bin/sh", "-c", script});
  }

  TempDir dir_;
  std::filesystem::path victim_ = dir_.path() / "victim";
  std::unique_ptr<Host> host_;
};

TEST_F(JobFiles, ALogIsItsUsersAloneAlsoInASharedGroup) {
  const LocalUser owner;
  const LocalUser other({owner.name()});  // in what is the owner's primary group
  ASSERT_EQ(start("sec", owner.name(), "echo key=hunter2; exec sleep 100").exit_code, 0);
  const auto jobs = host_->dir() / "jobs";
  const auto log = jobs / "sec" / "log";
  ASSERT_TRUE(within(5s, [&] { return read_file(log.string()) == "key=hunter2\n"; }));
  const auto opens = [&] { return ::open(log.c_str(), O_RDONLY) >= 0 ? 1 : 0; };
  EXPECT_EQ(owner.does(opens), 1) << "who knows its own log's name may read it";
  EXPECT_EQ(other.does(opens), 0);
  for (const auto& folder : {jobs, jobs / "sec"}) {
    const auto lists = [&] { return ::opendir(folder.c_str()) != nullptr ? 1 : 0; };
    EXPECT_EQ(other.does(lists), 0) << folder;
    EXPECT_EQ(owner.does(lists), 0) << folder;
    EXPECT_EQ(mode_of(folder), 0711U) << folder;
  }
  EXPECT_EQ(owner.does([&] { return ::rename(log.c_str(), (log.string() + "x").c_str()); }), 255)
      << "the folder stays the agent's";
}

TEST_F(JobFiles, AreNotMadeBehindALink) {
  const LocalUser owner;
  std::filesystem::create_directories(host_->dir() / "jobs");
  std::filesystem::create_directory_symlink(victim_, host_->dir() / "jobs" / "zed");
  const auto refused = start("zed", owner.name(), "echo in; sleep 100");
  EXPECT_NE(refused.exit_code, 0);
  EXPECT_THAT(refused.err, HasSubstr("zed"));
  expect_untouched();
  ASSERT_EQ(start("alpha", owner.name(), "sleep 100").exit_code, 0) << "others still run";
}

TEST_F(JobFiles, AreNoFilesThatWereThereBefore) {
  const LocalUser owner;
  const auto folder = host_->dir() / "jobs" / "gpt";
  std::filesystem::create_directories(folder);
  const std::string id = "m-0123456789abcdef";
  const boost::json::object wanted{
      {"migration", id},
      {"job", {{"name", "gpt"}, {"argv", {"/bin/echo", "in"}}, {"user", owner.name()}}},
      {"device", "cpu:0"},
      {"state_bytes", 4096},
      {"epoch", 2}};
  const auto reserve = [&] {
    return ask_over_unix(*host_, {.method = "POST",
                                  .target = "/v1/peer/reservations",
                                  .body = boost::json::serialize(wanted)});
  };
  const auto log = folder / ("log-" + id);
  std::filesystem::create_hard_link(victim_ / "file", log);
  EXPECT_THAT(reserve().content, HasSubstr("\"accepted\":false"));
  expect_untouched();
  EXPECT_EQ(host_->leftovers(), "");
}

/// As a release did it of which the jobs are still here: the folder is the job's user's.
TEST_F(JobFiles, ShowNothingOfRootsThroughWhatTheirUserPutsInTheLogsPlace) {
  const LocalUser owner;
  ASSERT_EQ(start("old", owner.name(), "echo in; exec sleep 100").exit_code, 0);
  const auto folder = host_->dir() / "jobs" / "old";
  const auto log = folder / "log";
  ASSERT_TRUE(within(5s, [&] { return read_file(log.string()) == "in\n"; }));
  ASSERT_EQ(::chown(folder.c_str(), owner.uid(), owner.gid()), 0);
  EXPECT_EQ(host_->command({"logs", "old"}).out, "in\n") << "its own log is shown";
  const auto secret = victim_ / "file";
  const auto put = [&](const std::function<int()>& something) {
    return owner.does([&] { return ::unlink(log.c_str()) == 0 && something() == 0 ? 0 : 1; });
  };
  const auto expect_refused = [&](const std::string& what) {
    const auto begun = std::chrono::steady_clock::now();
    const auto got = host_->command({"logs", "old"});
    EXPECT_NE(got.exit_code, 0) << what;
    EXPECT_EQ(got.out, "") << what;
    EXPECT_THAT(got.err, HasSubstr(log.string())) << what;
    EXPECT_LT(std::chrono::steady_clock::now() - begun, 5s * kPatience) << what;
    EXPECT_EQ(host_->command({"jobs"}).exit_code, 0) << what << ": the agent answers on";
  };
  ASSERT_EQ(put([&] { return ::symlink(secret.c_str(), log.c_str()); }), 0);
  expect_refused("a link");
  ASSERT_EQ(put([&] { return ::mkfifo(log.c_str(), 0600); }), 0);
  expect_refused("a pipe");
  ASSERT_EQ(owner.does([&] { return ::mkfifo((log.string() + ".exit").c_str(), 0600); }), 0);
  EXPECT_EQ(host_->command({"stop", "old", "--grace", "0s"}).exit_code, 0);
  expect_untouched();
  std::filesystem::remove(log);  // which the host's owner reads at its end
  std::filesystem::remove(log.string() + ".exit");
}

}  // namespace
}  // namespace cardswap::test
