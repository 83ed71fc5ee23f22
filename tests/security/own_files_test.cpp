/// Method: another user of this machine owns, may write or has linked the files that say whom an
/// agent believes; what an administrator mixed up: a list of another authority, a job's user among
/// the operators.

#include <gmock/gmock.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>

#include "tests/security/users.h"
#include "tests/support/fleet_certificates.h"
#include "tests/support/needs.h"

namespace cardswap::test {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

Outcome agent_with(const fs::path& dir, std::vector<std::string> more) {
  std::vector<std::string> argv{
      "timeout",      "5",    CARDSWAPD, "--data-dir", (dir / "d").string(),  "--nvml", "none",
      "--kernel-log", "none", "--criu",  "none",       "--jobs-share-my-user"};
  argv.insert(argv.end(), more.begin(), more.end());
  return run(argv);
}

std::vector<std::string> and_list(std::vector<std::string> options, const fs::path& list) {
  options.insert(options.end(), {"--tls-crl", list.string()});
  return options;
}

class OwnFiles : public ::testing::Test {
 protected:
  void SetUp() override {
    if (const auto missing = LocalUser::missing()) return skip_without("root", *missing);
    mallory_ = std::make_unique<LocalUser>();
    ASSERT_EQ(run({CARDSWAP, "pki", "revoke", fleet_.dir().string()}).exit_code, 0);
    std::ofstream(dir_.path() / "policy") << "mode: observe\n";
    std::ofstream(dir_.path() / "tokens") << "viewer " << std::string(64, 'a') << "\n";
  }
  [[nodiscard]] std::vector<std::string> options() const {
    auto all = and_list(FleetCertificates::options(files_), fleet_.dir() / "ca.crl");
    all.insert(all.end(), {"--health-policy", (dir_.path() / "policy").string(), "--token-file",
                           (dir_.path() / "tokens").string()});
    return all;
  }
  [[nodiscard]] std::vector<fs::path> believed() const {
    return {files_.certificate,     files_.key,
            files_.authority,       fleet_.dir() / "ca.crl",
            dir_.path() / "policy", dir_.path() / "tokens"};
  }
  void give(const fs::path& file, uid_t uid) const {
    ASSERT_EQ(::lchown(file.c_str(), uid, uid == 0 ? 0 : mallory_->gid()), 0);
  }

  FleetCertificates fleet_;
  TempDir dir_;
  tls::Files files_ = fleet_.issue(ApiRole::agent, "a", {"127.0.0.1"});
  std::unique_ptr<LocalUser> mallory_;
};

TEST_F(OwnFiles, OfAnotherUserAreNotBelieved) {
  for (const auto& file : believed()) {
    give(file, mallory_->uid());
    const auto refused = agent_with(dir_.path(), options());
    EXPECT_EQ(refused.exit_code, 1) << file;
    EXPECT_THAT(refused.err, AllOf(HasSubstr(file.string() + " belongs to uid " +
                                             std::to_string(mallory_->uid())),
                                   HasSubstr("hint: chown")));
    give(file, 0);
  }
}

TEST_F(OwnFiles, ThatOthersMayWriteAreNotBelieved) {
  for (const auto& file : believed()) {
    const auto mode = fs::status(file).permissions();
    fs::permissions(file, fs::perms(0666));
    const auto refused = agent_with(dir_.path(), options());
    EXPECT_EQ(refused.exit_code, 1) << file;
    EXPECT_THAT(refused.err, AllOf(HasSubstr("others than its owner may write"),
                                   HasSubstr(file.string()), HasSubstr("hint: chmod")));
    fs::permissions(file, mode);
  }
}

TEST_F(OwnFiles, BehindALinkOfAnotherUserAreNotBelieved) {
  const auto file = dir_.path() / "tokens";
  fs::rename(file, dir_.path() / "behind");
  fs::create_symlink(dir_.path() / "behind", file);
  EXPECT_EQ(agent_with(dir_.path(), options()).exit_code, 124) << "a link of root's is good";
  give(file, mallory_->uid());
  EXPECT_THAT(
      agent_with(dir_.path(), options()).err,
      AllOf(HasSubstr("the link " + file.string() + " belongs to uid"), HasSubstr("chown -h")));
}

TEST_F(OwnFiles, GivenAwayWhileTheAgentRunsAreNotReadAnew) {
  const Host a(dir_.path() / "a", {.name = "a", .more = options()});
  give(files_.authority, mallory_->uid());
  ::kill(a.agent_pid(), SIGHUP);
  EXPECT_TRUE(within(10s, [&] { return a.log().find("still holds") != std::string::npos; }));
  EXPECT_THAT(a.log(), AllOf(HasSubstr("ca.crt belongs to uid"), Not(HasSubstr("read anew"))));
}

/// A pipe that nobody writes to keeps whoever opens it waiting.
TEST_F(OwnFiles, ThatAreAPipeKeepNoAgentWaiting) {
  const auto put_pipe = [](const fs::path& file) {
    fs::rename(file, file.string() + ".kept");
    ASSERT_EQ(::mkfifo(file.c_str(), 0600), 0);
  };
  const auto put_back = [](const fs::path& file) { fs::rename(file.string() + ".kept", file); };
  for (const auto& file : believed()) {
    put_pipe(file);
    const auto refused = agent_with(dir_.path(), options());
    EXPECT_EQ(refused.exit_code, 1) << file;
    EXPECT_THAT(refused.err, HasSubstr(file.string() + " is no regular file"));
    put_back(file);
  }
  const Host a(dir_.path() / "a", {.name = "a", .more = options()});
  for (const auto& file :
       {fleet_.dir() / "ca.crl", dir_.path() / "policy", dir_.path() / "tokens"}) {
    put_pipe(file);
    ::kill(a.agent_pid(), SIGHUP);
    EXPECT_TRUE(within(10s, [&] {
      return a.log().find(file.string() + " is no regular file") != std::string::npos ||
             a.command({"events"}).out.find(file.string() + " is no regular file") !=
                 std::string::npos;
    })) << file;
    put_back(file);
  }
  EXPECT_EQ(a.command({"version"}).exit_code, 0);
}

TEST_F(OwnFiles, AreAskedOfTheCommandToo) {
  const auto olga = fleet_.issue(ApiRole::operator_, "olga");
  give(olga.key, mallory_->uid());
  std::vector<std::string> argv{
      "env",         "CARDSWAP_TLS_DIR=" + olga.key.parent_path().string(),
      CARDSWAP,      "--agent",
      "127.0.0.1:9", "jobs"};
  EXPECT_THAT(run(argv).err, HasSubstr("tls.key belongs to uid"));
  argv[1] = "CARDSWAP_TLS_DIR=" + (dir_.path() / "gone").string();
  const auto gone = run(argv);
  EXPECT_EQ(gone.exit_code, 2);
  EXPECT_THAT(gone.err, HasSubstr("there is no folder " + (dir_.path() / "gone").string()));
}

TEST_F(OwnFiles, OfAnAuthorityInAnotherUsersFolderSignNothing) {
  const auto issue = [&](const fs::path& pki) {
    return run({CARDSWAP, "pki", "issue", pki.string(), "--role", "viewer", "--name", "vera"});
  };
  const auto pki = dir_.path() / "pki";
  ASSERT_EQ(run({CARDSWAP, "pki", "init", pki.string()}).exit_code, 0);
  give(pki, mallory_->uid());
  const auto hers = issue(pki);
  EXPECT_EQ(hers.exit_code, 3);
  EXPECT_THAT(hers.err, HasSubstr("belongs to uid"));
  give(pki, 0);
  fs::permissions(dir_.path(), fs::perms(0777));
  const auto below = issue(pki);
  EXPECT_EQ(below.exit_code, 3);
  EXPECT_THAT(below.err, HasSubstr("others than its owner may write " + dir_.path().string()));
  EXPECT_FALSE(fs::exists(pki / "vera"));
  fs::permissions(dir_.path(), fs::perms(0700));
  EXPECT_EQ(issue(pki).exit_code, 0);
  const auto nobody = run({CARDSWAP, "pki", "revoke", pki.string(), "--name", "nobody"});
  EXPECT_THAT(nobody.err, AllOf(HasSubstr("issued to 'nobody'"), Not(HasSubstr("pki init"))));
}

TEST_F(OwnFiles, AListOfAnotherAuthorityIsNotTaken) {
  const FleetCertificates other;
  ASSERT_EQ(run({CARDSWAP, "pki", "revoke", other.dir().string()}).exit_code, 0);
  const auto list = dir_.path() / "list";
  fs::copy_file(other.dir() / "ca.crl", list);
  const auto refused = agent_with(dir_.path(), and_list(FleetCertificates::options(files_), list));
  EXPECT_EQ(refused.exit_code, 1);
  EXPECT_THAT(refused.err, AllOf(HasSubstr(list.string()), HasSubstr("is not signed by"),
                                 HasSubstr(files_.authority.string()), HasSubstr("hint:")));

  const auto olga = fleet_.issue(ApiRole::operator_, "olga");
  fs::copy_file(fleet_.dir() / "ca.crl", list, fs::copy_options::overwrite_existing);
  const Host a(dir_.path() / "a",
               {.name = "a", .more = and_list(FleetCertificates::options(files_), list)});
  EXPECT_EQ(ask_over_tls(a, olga, {.target = "/v1/jobs"}).status, 200U);
  fs::copy_file(other.dir() / "ca.crl", list, fs::copy_options::overwrite_existing);
  ::kill(a.agent_pid(), SIGHUP);
  EXPECT_TRUE(within(10s, [&] { return a.log().find("is not signed by") != std::string::npos; }));
  EXPECT_EQ(ask_over_tls(a, olga, {.target = "/v1/jobs"}).status, 200U);
}

TEST_F(OwnFiles, AJobsUserIsNoOperator) {
  const LocalGroup api;
  const LocalUser member({api.name()});
  const auto with = [&](std::vector<std::string> more) {
    more.insert(more.end(), {"--api-group", api.name()});
    return agent_with(dir_.path(), more);
  };
  const auto refused = with({"--job-user", member.name()});
  EXPECT_EQ(refused.exit_code, 1);
  EXPECT_THAT(refused.err, AllOf(HasSubstr(member.name() + " is in " + api.name()),
                                 HasSubstr("hint: take it out of the group")));
  EXPECT_THAT(with({"--job-user", mallory_->name(), "--job-users", member.name()}).err,
              HasSubstr("--job-users: " + member.name() + " is in"));
  EXPECT_EQ(with({"--job-user", mallory_->name()}).exit_code, 124) << "who is no member may";
}

TEST_F(OwnFiles, LoopbackIsKnownHoweverItIsWritten) {
  EXPECT_EQ(agent_with(dir_.path(), {"--listen", "[::ffff:127.0.0.1]:0"}).exit_code, 124);
  const auto bare = agent_with(dir_.path(), {"--listen", "::1:7491"});
  EXPECT_EQ(bare.exit_code, 2);
  EXPECT_THAT(bare.err, HasSubstr("[::1]:7070"));
}

}  // namespace
}  // namespace cardswap::test
