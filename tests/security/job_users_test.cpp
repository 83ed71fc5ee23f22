/// Method: agents that are root, with every kind of caller: the owner, a member of --api-group, an
/// operator and another host's agent by their certificates. Each asks for jobs as users of this
/// machine; the kernel says as whom a job runs.

#include <gmock/gmock.h>
#include <grp.h>
#include <unistd.h>

#include <boost/json.hpp>

#include "tests/security/answers.h"
#include "tests/security/users.h"
#include "tests/support/fleet_certificates.h"
#include "tests/support/hosts.h"
#include "tests/support/http.h"
#include "tests/support/needs.h"

namespace cardswap::test {
namespace {

namespace json = boost::json;
using namespace std::chrono_literals;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::MatchesRegex;
using ::testing::Not;

json::object spec(const std::string& name, const std::string& user) {
  json::object body{{"name", name}, {"argv", {"/usr/bin/id"}}, {"cwd", "/"}};
  if (!user.empty()) body["user"] = user;
  return body;
}

HttpRequest start(const std::string& name, const std::string& user) {
  return {.method = "POST", .target = "/v1/jobs", .body = json::serialize(spec(name, user))};
}

/// As another host's agent asks whether a job may come.
HttpRequest arrival(const std::string& user, const std::string& program = "/usr/bin/id") {
  auto job = spec("job", user);
  job["argv"] = json::array{json::value(program)};
  job["uid"] = std::string(32, 'a');
  job["device"] = "cpu:0";
  job["env"] = json::object{{"PATH", "/usr/bin:/bin"}};
  return {.method = "POST",
          .target = "/v1/peer/reservations",
          .body = json::serialize(json::object{{"migration", "m-0123abcd"},
                                               {"job", job},
                                               {"arrive", "standby"},
                                               {"device", "cpu:0"},
                                               {"state_bytes", 0},
                                               {"relocatable_bytes", 0},
                                               {"epoch", 1},
                                               {"from", "evil/cpu:0"},
                                               {"dry_run", true}})};
}

class JobUsers : public ::testing::Test {
 protected:
  void SetUp() override {
    if (const auto missing = LocalUser::missing()) return skip_without("root", *missing);
    std::filesystem::permissions(dir_.path(), std::filesystem::perms(0711));
    people_ = std::make_unique<People>();
  }
  void start_agent(std::vector<std::string> more, bool root_jobs = false) {
    const auto tls = FleetCertificates::options(fleet_.issue(ApiRole::agent, "a", {"127.0.0.1"}));
    more.insert(more.end(), tls.begin(), tls.end());
    more.insert(more.end(), {"--api-group", people_->api.name()});
    a_ = std::make_unique<Host>(
        dir_.path() / "a",
        HostOptions{.name = "a", .more = std::move(more), .root_jobs = root_jobs});
  }
  /// What keeps each kind of caller from a job as `user`; "" where nothing does.
  [[nodiscard]] std::string as_operator(const std::string& user) {
    const auto answer = ask_over_tls(*a_, operator_, start("job", user));
    if (answer.status == 201) end_job();
    return failure(answer);
  }
  [[nodiscard]] std::string as_agent(const std::string& user,
                                     const std::string& program = "/usr/bin/id") {
    const auto answer = ask_over_tls(*a_, agent_, arrival(user, program));
    if (answer.status != 200) return "status " + std::to_string(answer.status) + failure(answer);
    return json::serialize(answer.body.at("blocked_reasons")) == "[]"
               ? std::string()
               : json::serialize(answer.body.at("blocked_reasons"));
  }
  [[nodiscard]] unsigned as_member(const std::string& user) {
    const auto status =
        status_for(people_->member, [&] { return ask_over_unix(*a_, start("job", user)); });
    if (status == 201) end_job();
    return status;
  }
  void expect_refused(const std::string& user) {
    EXPECT_THAT(as_operator(user), HasSubstr("may not run jobs as")) << user;
    EXPECT_THAT(as_agent(user), HasSubstr("may not run jobs as")) << user;
    EXPECT_EQ(as_member(user), 422U) << user;
  }
  void expect_allowed(const std::string& user) {
    EXPECT_EQ(as_operator(user), "") << user;
    EXPECT_EQ(as_agent(user), "") << user;
    EXPECT_EQ(as_member(user), 201U) << user;
  }
  /// What `id` prints in a job that the owner starts.
  [[nodiscard]] std::string id_of(const std::string& user) {
    std::vector<std::string> words{"run", "--name", "job", "--cwd", "/"};
    if (!user.empty()) words.insert(words.end(), {"--user", user});
    words.insert(words.end(), {"--", "/usr/bin/id"});
    (void)a_->ask(words);
    EXPECT_TRUE(a_->ended_within("job", 10s));
    const auto printed = read_file((a_->dir() / "jobs/job/log").string());
    (void)a_->command({"forget", "job"});
    return printed;
  }
  static std::string failure(const HttpResponse& answer) {
    const auto* error = answer.body.if_contains("error");
    return error == nullptr ? std::string() : text(error->as_object(), "failure");
  }
  void end_job() {
    EXPECT_TRUE(a_->ended_within("job", 10s));
    (void)a_->command({"forget", "job"});
  }

  TempDir dir_;
  FleetCertificates fleet_;
  struct People {
    LocalGroup api;
    LocalGroup researchers;
    LocalUser member{{api.name()}};
    LocalUser colleague{{api.name(), researchers.name()}};
    LocalUser trainer;
    LocalUser alice{{researchers.name()}};
    LocalUser named{{"disk"}};
    LocalUser powerful{{researchers.name(), "disk"}};
  };
  std::unique_ptr<People> people_;
  tls::Files operator_ = fleet_.issue(ApiRole::operator_, "olga");
  tls::Files agent_ = fleet_.issue(ApiRole::agent, "evil", {"127.0.0.66"});
  std::unique_ptr<Host> a_;
};

TEST_F(JobUsers, AreTheOneThatWasChosenForEverybodyButTheOwner) {
  start_agent({"--job-user", people_->trainer.name()});
  expect_allowed("");
  expect_allowed(people_->trainer.name());
  for (const auto& user : {std::string("root"), people_->alice.name(), people_->named.name(),
                           people_->member.name()}) {
    expect_refused(user);
  }
  EXPECT_THAT(id_of(people_->alice.name()), HasSubstr("(" + people_->alice.name() + ")"));
  EXPECT_THAT(id_of("root"), HasSubstr("uid=0(root)"));
}

TEST_F(JobUsers, AreThoseThatAreNamedAndTheMembersOfAGroup) {
  start_agent({"--job-user", people_->trainer.name(), "--job-users", people_->named.name(),
               "--job-user-group", people_->researchers.name()});
  for (const auto* user : {&people_->named, &people_->alice, &people_->trainer})
    expect_allowed(user->name());
  expect_refused(people_->colleague.name());
  EXPECT_THAT(as_operator(people_->colleague.name()), HasSubstr("is the --api-group"));
  expect_refused("root");
  EXPECT_THAT(as_operator(people_->powerful.name()), HasSubstr("disk is as good as root"));
  expect_refused(people_->powerful.name());
  // Named by the administrator; still it is no reason to write to disks.
  EXPECT_THAT(id_of(people_->named.name()),
              AllOf(HasSubstr(people_->named.name()), Not(HasSubstr("disk"))));
}

/// What only such a group may execute would be found by the look, and not by the job.
TEST_F(JobUsers, AreLookedForWithTheGroupsThatTheirJobsHave) {
  const auto program = dir_.path() / "for_disk_only";
  std::filesystem::copy_file("/usr/bin/id", program);
  const auto* disk = ::getgrnam("disk");
  ASSERT_NE(disk, nullptr);
  ASSERT_EQ(::chown(program.c_str(), 0, disk->gr_gid), 0);
  std::filesystem::permissions(program, std::filesystem::perms(0750));
  start_agent({"--job-user", people_->trainer.name(), "--job-users", people_->named.name()});
  EXPECT_EQ(as_agent(people_->named.name()), "");
  EXPECT_THAT(as_agent(people_->named.name(), program.string()), HasSubstr("Permission denied"));
}

TEST_F(JobUsers, AreNobodyForOthersWhereTheAgentIsRootAndNoneWasChosen) {
  start_agent({});
  for (const auto& user : {std::string(), std::string("root"), people_->alice.name()})
    expect_refused(user);
  EXPECT_THAT(id_of(""), HasSubstr("uid=0(root)")) << "the owner's own";
}

TEST_F(JobUsers, AreRootForAllWhoActWhereThatWasSaid) {
  start_agent({"--job-user", "root", "--jobs-share-my-user"});
  expect_allowed("");
  expect_allowed("root");
  EXPECT_THAT(id_of(""), HasSubstr("uid=0(root)"));
  EXPECT_THAT(a_->log(), HasSubstr("--job-user root"));
}

TEST_F(JobUsers, ThatCannotBeAreSaidAtTheStart) {
  const auto agent = [&](std::vector<std::string> more) {
    more.insert(more.begin(), {CARDSWAPD, "--data-dir", (dir_.path() / "c").string()});
    return run(more);
  };
  for (const auto& [more, says] : std::vector<std::pair<std::vector<std::string>, std::string>>{
           {{"--job-users", "root"}, "root is root"},
           {{"--job-users", "no-such-user"}, "no user 'no-such-user'"},
           {{"--job-user-group", "no-such-group"}, "no group 'no-such-group'"}}) {
    const auto outcome = agent(more);
    EXPECT_NE(outcome.exit_code, 0);
    EXPECT_THAT(outcome.err, HasSubstr(says));
  }
}

}  // namespace
}  // namespace cardswap::test
