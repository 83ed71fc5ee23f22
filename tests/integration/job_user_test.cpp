/// Method: an agent that is root starts a job as somebody else; the kernel says who the job's
/// process is and who owns its files. It attaches, steps, and moves to another agent under the same
/// user.

#include <gmock/gmock.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <boost/json.hpp>

#include "agent/jobs/user_policy.h"
#include "agent/process/job_user.h"
#include "migrator/base/error.h"
#include "tests/support/hosts.h"
#include "tests/support/needs.h"

namespace cardswap::test {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;
using ::testing::MatchesRegex;
using ::testing::Not;

constexpr uid_t kNobody = 65534;

std::string line_of(const std::string& text, const std::string& start) {
  const auto at = text.find(start);
  return at == std::string::npos ? "" : text.substr(at, text.find('\n', at) - at);
}

class JobUserTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (::geteuid() != 0) return skip_without("root", "only root can start a job as another user");
    std::filesystem::permissions(dir_.path(), std::filesystem::perms(0711));
    // Where the tests were built may be closed to other users.
    program_ = dir_.path() / "plain_memory";
    std::filesystem::copy_file(trainer("plain_memory"), program_);
    std::filesystem::permissions(program_, std::filesystem::perms(0755));
  }
  void start(const Host& host, const std::string& user) {
    std::vector<std::string> arguments{"run", "--name", "job", "--cwd", "/"};
    if (!user.empty()) arguments.insert(arguments.end(), {"--user", user});
    arguments.insert(arguments.end(),
                     {"--", program_.string(), "--steps", "1500", "--step-ms", "5"});
    (void)host.ask(arguments);
    ASSERT_TRUE(within(30s, [&] { return host.step_of("job") >= 3; })) << host.log();
  }
  static std::string status_of(const Host& host) {
    const auto pid = host.job("job").at("pid").as_int64();
    return read_file("/proc/" + std::to_string(pid) + "/status");
  }

  TempDir dir_;
  std::filesystem::path program_;
};

TEST_F(JobUserTest, AJobIsItsUserAttachesAndMovesUnderTheSameOne) {
  Host a(dir_.path() / "a", {.name = "a", .more = {"--job-no-new-privs"}});
  Host b(dir_.path() / "b", {.name = "b"});
  start(a, "nobody");
  const auto status = status_of(a);
  EXPECT_THAT(line_of(status, "Uid:"), MatchesRegex("Uid:(\t65534){4}"));
  EXPECT_THAT(line_of(status, "Gid:"), MatchesRegex("Gid:(\t65534){4}"));
  EXPECT_THAT(line_of(status, "CapEff:"), HasSubstr("0000000000000000"));
  EXPECT_THAT(line_of(status, "NoNewPrivs:"), HasSubstr("1"));
  struct stat log {};
  ASSERT_EQ(::stat((a.dir() / "jobs/job/log").c_str(), &log), 0);
  EXPECT_EQ(log.st_uid, kNobody);
  EXPECT_EQ(log.st_mode & 07777, 0600U);
  struct stat journal {};
  ASSERT_EQ(::stat((a.dir() / "journal.db").c_str(), &journal), 0);
  EXPECT_EQ(journal.st_mode & 07777, 0600U);

  const auto moved = a.ask({"migrate", "job", "--to", b.at("cpu:0"), "--max-downtime", "none"});
  EXPECT_EQ(text(moved, "state"), "completed");
  EXPECT_THAT(line_of(status_of(b), "Uid:"), MatchesRegex("Uid:(\t65534){4}"));
  EXPECT_EQ(text(b.job("job"), "user"), "nobody");
}

TEST_F(JobUserTest, TheAgentsChoiceHoldsForJobsThatSayNothing) {
  const Host a(dir_.path() / "a", {.name = "a", .more = {"--job-user", "nobody"}});
  start(a, "");
  EXPECT_THAT(line_of(status_of(a), "Uid:"), MatchesRegex("Uid:(\t65534){4}"));
}

TEST_F(JobUserTest, AUserThatTheTargetDoesNotHaveIsRefused) {
  const Host a(dir_.path() / "a", {.name = "a"});
  const auto outcome =
      a.command({"run", "--name", "job", "--user", "no-such-user", "--", "/bin/true"});
  EXPECT_EQ(outcome.exit_code, 3);
  EXPECT_THAT(outcome.err, HasSubstr("no user 'no-such-user'"));
  EXPECT_TRUE(a.job("job").empty());
}

TEST_F(JobUserTest, WhoIsNotRootBecomesNobodyElse) {
  const auto pid = ::fork();
  if (pid == 0) {
    if (::setuid(kNobody) != 0) ::_exit(2);
    try {
      (void)job_user("nobody");
      (void)job_user("root");
    } catch (const Error& error) {
      ::_exit(error.failure().find("cannot start a job as root") != std::string::npos ? 0 : 3);
    }
    ::_exit(4);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(pid, &status, 0), pid);
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

TEST_F(JobUserTest, WithAJobUserOnlyRootItselfRunsJobsAsRoot) {
  Config config;
  config.job_user = "nobody";
  const Caller acting{.name = "olga", .role = ApiRole::operator_, .owner = false};
  const Caller agent{.name = "b", .role = ApiRole::agent, .owner = false};
  EXPECT_NO_THROW(check_may_run_as(config, "", acting));
  EXPECT_NO_THROW(check_may_run_as(config, "nobody", agent));
  EXPECT_NO_THROW(check_may_run_as(config, "root", Caller::owns("uid 0")));
  EXPECT_THROW(check_may_run_as(config, "root", acting), Error);
  EXPECT_THROW(check_may_run_as(config, "root", agent), Error);
  Caller root_over_loopback = acting;
  root_over_loopback.uid = 0;
  EXPECT_THROW(check_may_run_as(config, "root", root_over_loopback), Error);
  config.job_user.clear();
  EXPECT_NO_THROW(check_may_run_as(config, "", root_over_loopback));
  EXPECT_THROW(check_may_run_as(config, "", acting), Error);
  EXPECT_THROW(check_may_run_as(config, "nobody", agent), Error);
  EXPECT_TRUE(may_bring_any_rights(config, root_over_loopback));
  EXPECT_FALSE(may_bring_any_rights(config, agent));
  config.root_jobs = true;
  EXPECT_NO_THROW(check_may_run_as(config, "", agent));
  EXPECT_TRUE(may_bring_any_rights(config, agent));
}

TEST_F(JobUserTest, AProcessThatBringsItsRightsComesOnlyFromWhomThatIsTrusted) {
  Config config;
  config.job_user = "nobody";
  const Caller agent{.name = "b", .role = ApiRole::agent, .owner = false};
  EXPECT_FALSE(may_bring_any_rights(config, agent));
  EXPECT_FALSE(may_bring_any_rights(config, Caller::owns("uid 0")));
  config.criu_trust_peers = true;
  EXPECT_TRUE(may_bring_any_rights(config, agent));
}

}  // namespace
}  // namespace cardswap::test
