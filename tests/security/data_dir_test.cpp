/// Method: a user of this machine has made, or may change, what an agent of root is told to use:
/// its data folder, the program that it runs, the folder of an authority.

#include <gmock/gmock.h>
#include <sys/stat.h>
#include <unistd.h>

#include <boost/json.hpp>
#include <fstream>

#include "tests/security/users.h"
#include "tests/support/hosts.h"
#include "tests/support/http.h"
#include "tests/support/needs.h"

namespace cardswap::test {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;
using ::testing::AllOf;
using ::testing::AnyOf;
using ::testing::HasSubstr;
using ::testing::Not;

/// Ends by itself where it is refused; else with its owner.
Outcome agent_in(const fs::path& folder) {
  return run({"timeout", "5", CARDSWAPD, "--data-dir", folder.string(), "--nvml", "none",
              "--kernel-log", "none", "--criu", "none"});
}

class DataFolder : public ::testing::Test {
 protected:
  void SetUp() override {
    if (const auto missing = LocalUser::missing()) return skip_without("root", *missing);
    fs::permissions(dir_.path(), fs::perms(01777), fs::perm_options::replace);
    mallory_ = std::make_unique<LocalUser>();
    fs::create_directories(victim_);
    fs::permissions(victim_, fs::perms(0700));
    std::ofstream(victim_ / "file") << "precious";
  }
  void make_as_mallory(const fs::path& folder) const {
    ASSERT_EQ(mallory_->does([&] { return fs::create_directory(folder) ? 7 : 0; }), 7);
  }
  void expect_nothing_touched() const {
    EXPECT_EQ(read_file((victim_ / "file").string()), "precious");
    EXPECT_EQ(std::distance(fs::directory_iterator(victim_), {}), 1);
    EXPECT_EQ(fs::status(victim_).permissions(), fs::perms(0700));
  }

  TempDir dir_;
  fs::path victim_ = dir_.path() / "victim";
  std::unique_ptr<LocalUser> mallory_;
};

TEST_F(DataFolder, OfAnotherUserIsRefusedUntouched) {
  const auto folder = dir_.path() / "d";
  make_as_mallory(folder);
  for (const auto* name : {"agent.json.new", "journal.db", "lock"}) {
    fs::create_symlink(victim_ / "file", folder / name);
  }
  fs::create_directory_symlink(victim_, folder / "jobs");
  const auto mode = fs::status(folder).permissions();
  const auto refused = agent_in(folder);
  EXPECT_EQ(refused.exit_code, 1);
  EXPECT_THAT(refused.err, AllOf(HasSubstr("belongs to uid " + std::to_string(mallory_->uid())),
                                 HasSubstr("hint:")));
  EXPECT_EQ(fs::status(folder).permissions(), mode);
  expect_nothing_touched();
}

TEST_F(DataFolder, ThatOthersMayWriteOrReplaceIsRefused) {
  const auto open = dir_.path() / "open";
  fs::create_directory(open);
  fs::permissions(open, fs::perms(0777), fs::perm_options::replace);
  EXPECT_THAT(agent_in(open).err, HasSubstr("others than its owner may write"));
  // A folder of root's within one of hers is hers to replace.
  const auto hers = dir_.path() / "hers";
  make_as_mallory(hers);
  fs::create_directory(hers / "d");
  EXPECT_THAT(agent_in(hers / "d").err, HasSubstr("belongs to uid"));
  EXPECT_THAT(agent_in(hers / "new").err, HasSubstr("belongs to uid"));
  ASSERT_EQ(mallory_->does([&] {
    fs::create_directory_symlink(victim_, dir_.path() / "link");
    return 7;
  }),
            7);
  EXPECT_THAT(agent_in(dir_.path() / "link").err, HasSubstr("belongs to uid"));
  expect_nothing_touched();
}

TEST_F(DataFolder, WithLinksInPlaceOfItsFilesIsRefused) {
  for (const auto* name :
       {"agent.json", "agent.json.new", "journal.db", "journal.db-wal", "lock"}) {
    const auto folder = dir_.path() / ("d-" + std::string(name));
    fs::create_directory(folder);
    fs::create_symlink(victim_ / "file", folder / name);
    EXPECT_THAT(agent_in(folder).err, HasSubstr("is a link")) << name;
    fs::remove(folder / name);
    fs::create_hard_link(victim_ / "file", folder / name);
    EXPECT_THAT(agent_in(folder).err, HasSubstr("another name elsewhere")) << name;
  }
  for (const auto* name : {"jobs", "handover"}) {
    const auto folder = dir_.path() / ("d-" + std::string(name));
    fs::create_directory(folder);
    ASSERT_EQ(::lchown(folder.c_str(), 0, 0), 0);
    fs::create_directory_symlink(victim_, folder / name);
    ASSERT_EQ(::lchown((folder / name).c_str(), mallory_->uid(), mallory_->gid()), 0);
    EXPECT_THAT(agent_in(folder).err, HasSubstr("belongs to uid")) << name;
  }
  expect_nothing_touched();
}

/// The agent gives its socket to --api-group: by its name, which must not come to mean another
/// file.
TEST_F(DataFolder, OfAnotherUserTakesNoSocketOfTheAgent) {
  const auto hers = dir_.path() / "hers";
  make_as_mallory(hers);
  const auto refused =
      run({"timeout", "5", CARDSWAPD, "--data-dir", (dir_.path() / "d").string(), "--socket",
           (hers / "s").string(), "--nvml", "none", "--kernel-log", "none", "--criu", "none"});
  EXPECT_EQ(refused.exit_code, 1);
  EXPECT_THAT(refused.err, AllOf(HasSubstr("the socket"), HasSubstr("belongs to uid")));
}

TEST_F(DataFolder, IsOfAnAgentThatTakesNoOtherFileForItsSocket) {
  const auto refused = run({"timeout", "5", CARDSWAPD, "--data-dir", (dir_.path() / "d").string(),
                            "--socket", (victim_ / "file").string(), "--nvml", "none",
                            "--kernel-log", "none", "--criu", "none"});
  EXPECT_EQ(refused.exit_code, 1);
  EXPECT_THAT(refused.err, HasSubstr("is there and is not a socket"));
  expect_nothing_touched();
}

/// What an administrator does whose other disk is larger.
TEST_F(DataFolder, MayHaveItsJobsOnAnotherDisk) {
  const auto disk = dir_.path() / "disk";
  fs::create_directories(disk);
  fs::create_directories(dir_.path() / "a");
  fs::create_directory_symlink(disk, dir_.path() / "a/jobs");
  const Host a(dir_.path() / "a", {.name = "a"});
  (void)a.ask({"run", "--name", "job", "--cwd", "/", "--", "/bin/true"});
  EXPECT_TRUE(within(5s, [&] { return fs::exists(disk / "job/log"); }));
}

TEST_F(DataFolder, IsNeverAGuessedOneInTheFolderForEverybody) {
  // Where the tests were built may be closed to other users.
  const auto program = dir_.path() / "cardswapd";
  fs::copy_file(CARDSWAPD, program);
  fs::permissions(program, fs::perms(0755));
  const auto refused =
      run(mallory_->types({"env", "-u", "HOME", "timeout", "5", program.string()}));
  EXPECT_EQ(refused.exit_code, 2);
  EXPECT_THAT(refused.err, HasSubstr("no home folder"));
  EXPECT_FALSE(fs::exists("/tmp/.local/state/cardswap"));
}

/// `sudo -E` keeps the caller's HOME.
TEST_F(DataFolder, OfAnotherUsersProgramsIsNotRunFromAsRoot) {
  const auto bin = dir_.path() / "home/.cache/cardswap/bin";
  const auto marker = dir_.path() / "was-run";
  ASSERT_EQ(mallory_->does([&] {
    fs::create_directories(bin);
    std::ofstream(bin / "criu") << "#!/bin/sh\nid >" << marker.string() << "\necho Version: 4.1\n";
    fs::permissions(bin / "criu", fs::perms(0755));
    return 7;
  }),
            7);
  const auto path = (dir_.path() / "path").string();
  fs::create_directory(path);
  const Host a(dir_.path() / "a",
               {.name = "a", .env = {"HOME=" + (dir_.path() / "home").string(), "PATH=" + path}});
  const auto criu = ask_over_unix(a, {.target = "/v1/devices"}).body.at("criu").as_object();
  EXPECT_FALSE(criu.at("usable").as_bool());
  EXPECT_THAT(text(criu, "problem"),
              AllOf(HasSubstr("is not run as root"), HasSubstr("belongs to uid")));
  EXPECT_FALSE(fs::exists(marker)) << read_file(marker.string());
}

TEST_F(DataFolder, OfAnAuthorityIsPrivate) {
  const auto pki = dir_.path() / "pki";
  fs::create_directory(pki);
  fs::permissions(pki, fs::perms(0777), fs::perm_options::replace);
  const auto init = [&] { return run({CARDSWAP, "pki", "init", pki.string()}); };
  const auto open = init();
  EXPECT_EQ(open.exit_code, 3);
  EXPECT_THAT(open.err, AllOf(HasSubstr("only this user may write"), HasSubstr("chmod 0700")));
  EXPECT_TRUE(fs::is_empty(pki));
  ASSERT_EQ(::chown(pki.c_str(), mallory_->uid(), mallory_->gid()), 0);
  fs::permissions(pki, fs::perms(0700), fs::perm_options::replace);
  EXPECT_EQ(init().exit_code, 3) << "hers";
  ASSERT_EQ(::chown(pki.c_str(), 0, 0), 0);
  EXPECT_EQ(init().exit_code, 0);
}

/// Whatever the agent was started with.
TEST_F(DataFolder, AndFilesOfJobsAreNotEverybodysToWrite) {
  fs::create_directory(dir_.path() / "a");
  const auto before = ::umask(0);
  const Host a(dir_.path() / "a", {.name = "a"});
  ::umask(before);
  const HttpRequest start{.method = "POST",
                          .target = "/v1/jobs",
                          .body = R"({"name": "job", "argv": ["/bin/sh", "-c", "umask; pwd"]})"};
  EXPECT_EQ(ask_over_unix(a, start).status, 201U);
  ASSERT_TRUE(a.ended_within("job", 10s));
  EXPECT_EQ(read_file((a.dir() / "jobs/job/log").string()), "0002\n/\n");
}

TEST(Cordon, OfTheWholeHostHasToBeSaid) {
  const TempDir dir;
  const Host a(dir.path() / "a", {.name = "a"});
  const auto post = [&](const std::string& body) {
    return ask_over_unix(a, {.method = "POST", .target = "/v1/cordon", .body = body}).status;
  };
  EXPECT_EQ(post(""), 400U);
  EXPECT_EQ(post("{}"), 400U);
  EXPECT_EQ(post(R"({"reason": "fans"})"), 400U);
  EXPECT_THAT(a.command({"devices"}).out, Not(HasSubstr("cordoned")));
  EXPECT_EQ(post(R"({"device": null, "reason": "fans"})"), 200U);
  EXPECT_EQ(a.command({"uncordon", "127.0.0.1:" + std::to_string(a.port())}).exit_code, 0);
  EXPECT_EQ(a.command({"cordon", "127.0.0.1:" + std::to_string(a.port())}).exit_code, 0);
}

}  // namespace
}  // namespace cardswap::test
