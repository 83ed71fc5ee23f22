/// Method: an agent that is root, with a port on loopback and no certificates. Users of this
/// machine call it there and over its unix socket; so do a job, and requests as pages in a browser
/// send them.

#include <gmock/gmock.h>
#include <sys/socket.h>
#include <unistd.h>

#include <boost/json.hpp>

#include "tests/security/answers.h"
#include "tests/security/users.h"
#include "tests/support/hosts.h"
#include "tests/support/http.h"
#include "tests/support/needs.h"
#include "tests/support/raw_client.h"

namespace cardswap::test {
namespace {

using namespace std::chrono_literals;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

HttpRequest start(const std::string& name, const std::string& user) {
  boost::json::object body{{"name", name}, {"argv", {"/bin/sleep", "60"}}, {"cwd", "/"}};
  if (!user.empty()) body["user"] = user;
  return {.method = "POST", .target = "/v1/jobs", .body = boost::json::serialize(body)};
}

class Loopback : public ::testing::Test {
 protected:
  void SetUp() override {
    if (const auto missing = LocalUser::missing()) return skip_without("root", *missing);
    std::filesystem::permissions(dir_.path(), std::filesystem::perms(0711));
    group_ = std::make_unique<LocalGroup>();
    stranger_ = std::make_unique<LocalUser>();
    member_ = std::make_unique<LocalUser>(std::vector{group_->name()});
    trainer_ = std::make_unique<LocalUser>();
    a_ = std::make_unique<Host>(
        dir_.path() / "a",
        HostOptions{.name = "a",
                    .more = {"--job-user", trainer_->name(), "--api-group", group_->name()}});
  }
  [[nodiscard]] unsigned over_tcp(const LocalUser& user, const HttpRequest& request) const {
    return status_for(user, [&] { return ask_over_tcp(*a_, request); });
  }
  [[nodiscard]] unsigned over_unix(const LocalUser& user, const HttpRequest& request) const {
    return status_for(user, [&] { return ask_over_unix(*a_, request); });
  }

  TempDir dir_;
  std::unique_ptr<LocalGroup> group_;
  std::unique_ptr<LocalUser> stranger_;
  std::unique_ptr<LocalUser> member_;
  std::unique_ptr<LocalUser> trainer_;
  std::unique_ptr<Host> a_;
};

TEST_F(Loopback, AStrangerIsAnsweredNothing) {
  for (const auto* user : {"root", ""}) {
    EXPECT_EQ(over_tcp(*stranger_, start("pwn", user)), 401U) << user;
    EXPECT_EQ(over_unix(*stranger_, start("pwn", user)), 0U) << user;
  }
  EXPECT_EQ(over_tcp(*stranger_, {.target = "/v1/jobs"}), 401U);
  EXPECT_EQ(over_tcp(*stranger_, {.target = "/v1/peer/decisions/m-1"}), 401U);
  EXPECT_EQ(over_tcp(*stranger_, {.target = "/healthz"}), 200U);
  EXPECT_THAT(a_->job("pwn"), ::testing::IsEmpty());
}

/// The kernel says "uid 0" of a socket that nobody holds any more.
TEST_F(Loopback, AStrangerWhoHasLeftAgainIsNotTakenForRoot) {
  const auto request = start("pwn", "");
  const auto text =
      "POST /v1/jobs HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
      "Content-Length: " +
      std::to_string(request.body.size()) + "\r\n\r\n" + request.body;
  EXPECT_EQ(stranger_->does([&] {
    for (int times = 0; times < 200; ++times) {
      RawClient::at_port(static_cast<std::uint16_t>(a_->port())).say(text);
    }
    return 7;
  }),
            7);
  EXPECT_EQ(ask_over_tcp(*a_, {.target = "/v1/jobs"}).status, 200U) << "after all of them";
  EXPECT_THAT(a_->job("pwn"), ::testing::IsEmpty());
}

TEST_F(Loopback, AMemberOfTheGroupIsAnOperatorAndNeverRoot) {
  EXPECT_EQ(over_tcp(*member_, start("one", "")), 201U);
  EXPECT_EQ(over_unix(*member_, start("two", "")), 201U);
  for (const auto* name : {"one", "two"}) EXPECT_EQ(text(a_->job(name), "user"), trainer_->name());
  for (const auto& user : {std::string("root"), stranger_->name(), member_->name()}) {
    EXPECT_EQ(over_tcp(*member_, start("three", user)), 422U) << user;
    EXPECT_EQ(over_unix(*member_, start("three", user)), 422U) << user;
  }
  EXPECT_EQ(over_tcp(*member_, {.target = "/v1/peer/decisions/m-1"}), 403U);
  EXPECT_EQ(over_unix(*member_, {.target = "/v1/peer/decisions/m-1"}), 403U);
}

TEST_F(Loopback, AJobIsAnsweredNothing) {
  const auto request = start("pwn", "");
  const auto port = std::to_string(a_->port());
  const auto shout = "exec 3<>/dev/tcp/127.0.0.1/" + port +
                     "; printf 'POST /v1/jobs HTTP/1.1\\r\\nHost: localhost\\r\\nContent-Type: "
                     "application/json\\r\\nContent-Length: " +
                     std::to_string(request.body.size()) + "\\r\\n\\r\\n%s' '" + request.body +
                     "' >&3; head -n 1 <&3; echo done; cat <&3";
  (void)a_->ask({"run", "--name", "job", "--cwd", "/", "--", "/bin/bash", "-c", shout});
  const auto log = (a_->dir() / "jobs/job/log").string();
  ASSERT_TRUE(within(10s, [&] { return read_file(log).find("done") != std::string::npos; }));
  EXPECT_THAT(read_file(log), HasSubstr("HTTP/1.1 401"));
  EXPECT_THAT(a_->job("pwn"), ::testing::IsEmpty());
}

TEST_F(Loopback, RootActsAndHandsOverThereButOwnsNothing) {
  EXPECT_EQ(ask_over_tcp(*a_, start("one", "")).status, 201U);
  EXPECT_EQ(ask_over_tcp(*a_, start("two", "root")).status, 422U);
  EXPECT_EQ(ask_over_tcp(*a_, {.target = "/v1/peer/decisions/m-00000000"}).status, 404U);
}

TEST_F(Loopback, APageInABrowserIsRefusedWhoeverRunsTheBrowser) {
  const auto as_page = [&](std::vector<std::pair<std::string, std::string>> headers) {
    auto request = start("pwn", "");
    request.headers = std::move(headers);
    return ask_over_tcp(*a_, request).status;
  };
  EXPECT_EQ(as_page({{"Origin", "https://evil.example"}, {"Sec-Fetch-Site", "cross-site"}}), 403U);
  EXPECT_EQ(as_page({{"Host", "evil.example"}}), 403U);
  EXPECT_EQ(as_page({{"Content-Type", "text/plain"}}), 415U);
  EXPECT_EQ(ask_over_tcp(*a_, {.target = "/v1/jobs", .headers = {{"Host", "evil.example"}}}).status,
            403U)
      << "a name that was bound anew to this host";
  EXPECT_THAT(a_->job("pwn"), ::testing::IsEmpty());
}

TEST_F(Loopback, IsSaidAtTheStart) {
  EXPECT_THAT(a_->log(), AllOf(HasSubstr("is without TLS"), HasSubstr(group_->name())));
}

/// Of an agent that listens for whoever reaches it, loopback too.
TEST_F(Loopback, EverybodyActsWhereThatWasAskedForAndNobodyOwns) {
  const Host b(dir_.path() / "b",
               {.name = "b", .more = {"--insecure-listen", "--job-user", trainer_->name()}});
  const auto tcp = [&](const HttpRequest& request) {
    return status_for(*stranger_, [&] { return ask_over_tcp(b, request); });
  };
  EXPECT_EQ(tcp(start("one", "")), 201U);
  EXPECT_EQ(tcp(start("two", "root")), 422U);
  auto page = start("two", "");
  page.headers = {{"Origin", "https://evil.example"}};
  EXPECT_EQ(tcp(page), 403U);
  EXPECT_THAT(b.log(), HasSubstr("answers everybody"));
}

TEST(NoPort, MovesNoJobAndSaysWhatIsMissing) {
  const TempDir dir;
  Host a(dir.path() / "a", {.name = "a", .address = ""});
  const Host b(dir.path() / "b", {.name = "b"});
  EXPECT_EQ(a.port(), 0);
  EXPECT_THAT(listening_ports({a.agent_pid()}), ::testing::IsEmpty());
  a.run_job("job", {trainer("plain_memory"), "--steps", "100000", "--step-ms", "5"});
  ASSERT_TRUE(within(10s, [&] { return a.step_of("job") >= 3; })) << a.log();
  for (const auto& more : {std::vector<std::string>{}, {"--dry-run"}}) {
    std::vector<std::string> arguments{"migrate", "job", "--to", b.at("cpu:0")};
    arguments.insert(arguments.end(), more.begin(), more.end());
    const auto refused = a.command(arguments);
    EXPECT_EQ(refused.exit_code, 3);
    EXPECT_THAT(refused.err, AllOf(HasSubstr("no TCP port"), HasSubstr("--listen ADDRESS:PORT")));
  }
  EXPECT_EQ(b.leftovers(), "");
  EXPECT_TRUE(a.steps_again_within("job", 5s));
  EXPECT_EQ(ask_over_unix(a, {.target = "/readyz"}).status, 200U);
}

}  // namespace
}  // namespace cardswap::test
