/// Method: real agents with real certificates that `cardswap pki` made. Every call of the API, by
/// the table that says who may make it, is tried by everybody who may not: without TLS, without a
/// certificate, with a token or a certificate of a lesser role. Then certificates that are expired,
/// of another authority, for another host or role; and a migration between two agents.

#include <gmock/gmock.h>
#include <sys/wait.h>
#include <unistd.h>

#include <boost/json.hpp>
#include <fstream>

#include "agent/security/pki.h"
#include "migrator/base/error.h"
#include "tests/support/fleet_certificates.h"
#include "tests/support/needs.h"

namespace cardswap::test {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;
using ::testing::Not;

/// An agent that takes certificates and one viewer's token; shared by every case.
struct Guarded {
  FleetCertificates fleet;
  TempDir dir;
  tls::Files viewer = fleet.issue(ApiRole::viewer, "victor");
  tls::Files acting = fleet.issue(ApiRole::operator_, "olga");
  tls::Files agent = fleet.issue(ApiRole::agent, "a", {"127.0.0.1"});
  std::string token = "look";
  std::unique_ptr<Host> host;

  Guarded() {
    const auto tokens = dir.path() / "tokens";
    const auto hash = run({"sh", "-c", "printf %s look | sha256sum | cut -d' ' -f1"}).out;
    std::ofstream(tokens) << "viewer " << hash;
    auto more = FleetCertificates::options(agent);
    more.insert(more.end(), {"--token-file", tokens.string()});
    host = std::make_unique<Host>(dir.path() / "a", HostOptions{.name = "a", .more = more});
  }
};

class Guard : public ::testing::Test {
 protected:
  static void SetUpTestSuite() { guarded_ = std::make_unique<Guarded>(); }
  static void TearDownTestSuite() { guarded_.reset(); }
  [[nodiscard]] static Guarded& g() { return *guarded_; }

  static std::unique_ptr<Guarded> guarded_;
};
std::unique_ptr<Guarded> Guard::guarded_;

class EveryCall : public Guard, public ::testing::WithParamInterface<AccessRule> {
 protected:
  [[nodiscard]] static HttpRequest request() {
    HttpRequest request{.method = std::string(GetParam().method), .target = ""};
    for (std::string_view rest = GetParam().pattern; !rest.empty();) {
      const auto open = std::min(rest.find('{'), rest.size());
      request.target += rest.substr(0, open);
      if (open == rest.size()) break;
      request.target += "some";
      rest.remove_prefix(rest.find('}') + 1);
    }
    if (request.method == "POST") request.body = "{}";
    return request;
  }
};

TEST_P(EveryCall, IsRefusedToWhoeverMayNotMakeIt) {
  auto asked = request();
  const auto plain = ask_over_tcp(*g().host, asked);
  EXPECT_EQ(plain.status, 401U) << "plain HTTP";
  EXPECT_THAT(text(plain.body.at("error").as_object(), "failure"), HasSubstr("TLS only"));
  const auto needed = GetParam().role;
  const auto nobody = ask_over_tls(*g().host, g().fleet.authority_only(), asked);
  if (needed == ApiRole::anybody) {
    EXPECT_EQ(nobody.status, 200U) << "a probe";
    return;
  }
  EXPECT_EQ(nobody.status, 401U) << "no certificate, no token";
  auto guessed = asked;
  guessed.headers = {{"Authorization", "Bearer guess"}};
  EXPECT_EQ(ask_over_tls(*g().host, g().fleet.authority_only(), guessed).status, 401U);
  // A wrong token is not made good by a right certificate.
  EXPECT_EQ(ask_over_tls(*g().host, g().acting, guessed).status, 401U);

  if (needed == ApiRole::viewer) {
    EXPECT_EQ(ask_over_tls(*g().host, g().agent, asked).status, 403U) << "not for other agents";
  } else if (needed != ApiRole::member) {
    EXPECT_EQ(ask_over_tls(*g().host, g().viewer, asked).status, 403U);
    auto with_token = asked;
    with_token.headers = {{"Authorization", "Bearer look"}};
    EXPECT_EQ(ask_over_tls(*g().host, g().fleet.authority_only(), with_token).status, 403U);
    const auto& other = needed == ApiRole::agent ? g().acting : g().agent;
    EXPECT_EQ(ask_over_tls(*g().host, other, asked).status, 403U);
  }
  const auto& right = needed == ApiRole::agent       ? g().agent
                      : needed == ApiRole::operator_ ? g().acting
                      : needed == ApiRole::alerts    ? g().acting
                                                     : g().viewer;
  try {
    const auto answered = ask_over_tls(*g().host, right, asked).status;
    EXPECT_NE(answered, 401U);
    EXPECT_NE(answered, 403U);
  } catch (const Error& error) {
    // Text, which the agents' client does not take; a refusal would be JSON.
    EXPECT_EQ(asked.target, "/metrics") << error.what();
    EXPECT_EQ(error.code(), Code::corrupt) << error.what();
  }
}

INSTANTIATE_TEST_SUITE_P(Api, EveryCall,
                         ::testing::ValuesIn(access_rules().begin(), access_rules().end()),
                         [](const auto& info) {
                           std::string name;
                           for (const char c : std::string(info.param.method) + "_" +
                                                   std::string(info.param.pattern)) {
                             if (std::isalnum(static_cast<unsigned char>(c)) != 0) name += c;
                           }
                           return name;
                         });

TEST_F(Guard, ATokenIsEnoughInsideTlsAndInTheCommand) {
  const auto file = g().dir.path() / "token";
  std::ofstream(file) << "look\n";
  const auto at = "127.0.0.1:" + std::to_string(g().host->port());
  const auto ask = [&](std::vector<std::string> more) {
    std::vector<std::string> argv{
        CARDSWAP,       "--agent",    at, "--tls-ca", g().fleet.authority_only().authority.string(),
        "--token-file", file.string()};
    argv.insert(argv.end(), more.begin(), more.end());
    return run(argv);
  };
  std::filesystem::permissions(file, std::filesystem::perms(0644));
  const auto open = ask({"jobs"});
  EXPECT_EQ(open.exit_code, 3) << open.err;
  EXPECT_THAT(open.err, HasSubstr("others than its owner can read"));
  std::filesystem::permissions(file, std::filesystem::perms(0600));
  const auto jobs = ask({"jobs"});
  EXPECT_EQ(jobs.exit_code, 0) << jobs.err;
  const auto stop = ask({"stop", "job"});
  EXPECT_EQ(stop.exit_code, 3) << stop.err;
  EXPECT_THAT(stop.err, HasSubstr("needs the role operator"));
  EXPECT_THAT(g().host->log(), Not(HasSubstr("look")));
}

TEST_F(Guard, TheCommandFindsItsCertificateInTheFolder) {
  const auto at = "127.0.0.1:" + std::to_string(g().host->port());
  const auto folder = g().acting.key.parent_path().string();
  const auto jobs = run({"env", "CARDSWAP_TLS_DIR=" + folder, CARDSWAP, "--agent", at, "jobs"});
  EXPECT_EQ(jobs.exit_code, 0) << jobs.err;
  const auto bare = run({"env", "CARDSWAP_TLS_DIR=", CARDSWAP, "--agent", at, "jobs"});
  EXPECT_EQ(bare.exit_code, 3) << bare.err;
  EXPECT_THAT(bare.err, HasSubstr("TLS only"));
}

TEST_F(Guard, ACertificateThatIsExpiredOrOfAnotherAuthorityIsRefused) {
  const FleetCertificates other;
  auto stranger = other.issue(ApiRole::operator_, "mallory");
  stranger.authority = g().fleet.authority_only().authority;  // trusts us; we do not trust it
  const HttpRequest asked{.method = "GET", .target = "/v1/jobs"};
  for (const auto& files : {stranger, g().fleet.issue_expired(ApiRole::operator_, "old")}) {
    try {
      const auto answer = ask_over_tls(*g().host, files, asked);
      ADD_FAILURE() << "was answered with " << answer.status;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), Code::unauthorized) << error.what();
    }
  }
}

TEST_F(Guard, AnAgentThatIsNotTheOneCalledIsNotSpokenTo) {
  const HttpRequest asked{.method = "GET", .target = "/v1/jobs"};
  try {
    (void)ask_over_tls(*g().host, g().acting, asked, "localhost");  // its certificate: 127.0.0.1
    ADD_FAILURE();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Code::unauthorized);
    EXPECT_THAT(error.what(), HasSubstr("hostname mismatch"));
  }
  const FleetCertificates other;
  try {
    (void)ask_over_tls(*g().host, other.issue(ApiRole::operator_, "olga"), asked);
    ADD_FAILURE();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Code::unauthorized);
    EXPECT_THAT(error.what(), HasSubstr("certificate"));
  }
}

TEST_F(Guard, OtherUsersAreNobodyOnTheUnixSocket) {
  if (::geteuid() != 0) return skip_without("root", "only root can be another user");
  const auto socket = g().host->dir() / "cardswapd.sock";
  // The folders and the file mode are in the way already: this is about the kernel's word.
  for (auto dir = g().host->dir(); dir != "/tmp"; dir = dir.parent_path()) {
    std::filesystem::permissions(dir, std::filesystem::perms(0755));
  }
  std::filesystem::permissions(socket, std::filesystem::perms(0666));
  const auto pid = ::fork();
  if (pid == 0) {
    if (::setgid(65534) != 0 || ::setuid(65534) != 0) ::_exit(2);
    try {
      const auto answer = ask_over_unix(*g().host, {.method = "GET", .target = "/v1/jobs"});
      ::_exit(answer.status == 401 ? 0 : 3);
    } catch (const std::exception&) {
      ::_exit(4);
    }
  }
  int status = 0;
  ASSERT_EQ(::waitpid(pid, &status, 0), pid);
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

TEST(Tls, MovesAJobBetweenTwoAgentsWithCertificates) {
  const FleetCertificates fleet;
  const TempDir dir;
  Host a(dir.path() / "a", {.name = "a",
                            .more = FleetCertificates::options(
                                fleet.issue(ApiRole::agent, "a", {"127.0.0.1", "localhost"}))});
  Host b(dir.path() / "b",
         {.name = "b",
          .more = FleetCertificates::options(fleet.issue(ApiRole::agent, "b", {"127.0.0.1"}))});
  const std::vector<std::string> program{trainer("plain_memory"), "--steps", "600", "--step-ms",
                                         "3"};
  const auto expected = undisturbed(program);
  const auto log = dir.path() / "losses";
  auto with_log = program;
  with_log.insert(with_log.end(), {"--loss-log", log.string()});
  a.run_job("job", with_log);
  ASSERT_TRUE(within(30s, [&] { return a.step_of("job") >= 3; }));
  const auto moved = a.ask(
      {"migrate", "job", "--to", b.at("cpu:0"), "--max-downtime", "none", "--timeout", "60s"});
  EXPECT_EQ(text(moved, "state"), "completed");
  ASSERT_TRUE(b.ended_within("job", 60s)) << b.log();
  EXPECT_EQ(losses(log), expected);
}

/// Verbs that call other hosts' agents by themselves show them their certificate too.
TEST(Tls, DrainsAHostForAnOperatorAndForNobodyElse) {
  const FleetCertificates fleet;
  const TempDir dir;
  Host a(dir.path() / "a",
         {.name = "a",
          .more = FleetCertificates::options(fleet.issue(ApiRole::agent, "a", {"127.0.0.1"}))});
  Host b(dir.path() / "b",
         {.name = "b",
          .more = FleetCertificates::options(fleet.issue(ApiRole::agent, "b", {"127.0.0.1"}))});
  const auto as = [](const tls::Files& files, const std::vector<std::string>& arguments) {
    std::vector<std::string> argv{"env", "CARDSWAP_TLS_DIR=" + files.key.parent_path().string(),
                                  CARDSWAP};
    argv.insert(argv.end(), arguments.begin(), arguments.end());
    return run(argv);
  };
  const auto viewer = fleet.issue(ApiRole::viewer, "victor");
  const auto acting = fleet.issue(ApiRole::operator_, "olga");
  const auto host = [](const Host& of) { return "127.0.0.1:" + std::to_string(of.port()); };
  a.run_job("job", {trainer("plain_memory"), "--steps", "100000", "--step-ms", "3"});
  ASSERT_TRUE(within(30s, [&] { return a.step_of("job") >= 3; }));

  const auto looked = as(viewer, {"health", host(a)});
  EXPECT_THAT(looked.out, Not(HasSubstr("UNKNOWN"))) << looked.err;
  for (const auto* verb : {"cordon", "drain"}) {
    std::vector<std::string> arguments{verb, host(a)};
    if (arguments[0] == "drain") arguments.insert(arguments.end(), {"--to", host(b)});
    const auto refused = as(viewer, arguments);
    EXPECT_EQ(refused.exit_code, 3) << verb << refused.err;
    EXPECT_THAT(refused.err, HasSubstr("needs the role operator")) << verb;
  }
  const auto drained =
      as(acting, {"drain", host(a), "--to", host(b), "--max-downtime", "none", "--encrypt"});
  EXPECT_EQ(drained.exit_code, 0) << drained.err << drained.out;
  EXPECT_TRUE(within(30s, [&] { return b.step_of("job") >= 3; })) << b.log();
  EXPECT_THAT(a.log(), Not(HasSubstr("plain HTTP")));
  const auto opened = as(acting, {"uncordon", host(a)});
  EXPECT_EQ(opened.exit_code, 0) << opened.err;
}

/// What a source says of a target whose agent it must not believe.
TEST(Tls, DoesNotMoveAJobToAnAgentItCannotBelieve) {
  const FleetCertificates fleet;
  const FleetCertificates other;
  const TempDir dir;
  Host a(dir.path() / "a",
         {.name = "a",
          .more = FleetCertificates::options(fleet.issue(ApiRole::agent, "a", {"127.0.0.1"}))});
  a.run_job("job", {trainer("plain_memory"), "--steps", "100000", "--step-ms", "3"});
  ASSERT_TRUE(within(30s, [&] { return a.step_of("job") >= 3; }));
  struct Case {
    std::string name;
    std::vector<std::string> options;
    std::string said;
  };
  const std::vector<Case> cases{
      {"plain", {}, "TLS with the agent"},
      {"expired",
       FleetCertificates::options(fleet.issue_expired(ApiRole::agent, "old", {"127.0.0.1"})),
       "expired"},
      {"stranger", FleetCertificates::options(other.issue(ApiRole::agent, "x", {"127.0.0.1"})),
       "certificate"},
      {"elsewhere", FleetCertificates::options(fleet.issue(ApiRole::agent, "c", {"10.9.8.7"})),
       "mismatch"},
      {"viewer", FleetCertificates::options(fleet.issue(ApiRole::viewer, "v", {"127.0.0.1"})),
       "certificate"},
  };
  for (const auto& c : cases) {
    SCOPED_TRACE(c.name);
    const Host b(dir.path() / c.name, {.name = c.name, .more = c.options});
    const auto outcome = a.command({"migrate", "job", "--to", b.at("cpu:0")});
    EXPECT_EQ(outcome.exit_code, 3) << outcome.err;
    EXPECT_THAT(outcome.err, HasSubstr(c.said));
    EXPECT_EQ(b.leftovers(), "");
    EXPECT_TRUE(a.steps_again_within("job", 5s));
  }
}

TEST(Tls, AnAgentDoesNotStartWithAKeyThatOthersCanRead) {
  const FleetCertificates fleet;
  const TempDir dir;
  const auto files = fleet.issue(ApiRole::agent, "a", {"127.0.0.1"});
  std::filesystem::permissions(files.key, std::filesystem::perms(0640));
  std::vector<std::string> argv{CARDSWAPD,  "--data-dir",  (dir.path() / "a").string(),
                                "--listen", "127.0.0.1:0", "--jobs-share-my-user"};
  const auto more = FleetCertificates::options(files);
  argv.insert(argv.end(), more.begin(), more.end());
  const auto outcome = run(argv);
  EXPECT_EQ(outcome.exit_code, 1);
  EXPECT_THAT(outcome.err, HasSubstr("others than its owner can read the key"));
  EXPECT_THAT(outcome.err, HasSubstr("chmod 0600"));
}

TEST(Pki, OverwritesNothingAndKeepsKeysToTheirOwner) {
  const FleetCertificates fleet;
  const auto again = run({CARDSWAP, "pki", "init", fleet.dir().string()});
  EXPECT_EQ(again.exit_code, 3);
  EXPECT_THAT(again.err, HasSubstr("nothing is overwritten"));
  const auto files = fleet.issue(ApiRole::agent, "gpu-a", {"gpu-a", "10.0.0.1", "fd00::1"});
  EXPECT_THROW((void)fleet.issue(ApiRole::agent, "gpu-a", {"gpu-a"}), std::runtime_error);
  EXPECT_THROW((void)fleet.issue(ApiRole::agent, "../up", {"gpu-a"}), std::runtime_error);
  EXPECT_THROW((void)fleet.issue(ApiRole::agent, "none"), std::runtime_error);
  EXPECT_THROW((void)fleet.issue(ApiRole::agent, "odd", {"a,URI:cardswap://role/operator"}),
               std::runtime_error);
  for (const auto& key : {files.key, fleet.dir() / "ca.key"}) {
    EXPECT_EQ(std::filesystem::status(key).permissions(), std::filesystem::perms(0600)) << key;
  }
  const auto shown = run({"openssl", "x509", "-in", files.certificate.string(), "-noout", "-text"});
  if (shown.exit_code != 0) return;  // the tool is not part of what this needs
  EXPECT_THAT(shown.out, HasSubstr("URI:cardswap://role/agent, DNS:gpu-a, IP Address:10.0.0.1"));
  const auto chain = run({"openssl", "verify", "-x509_strict", "-CAfile", files.authority.string(),
                          files.certificate.string()});
  EXPECT_EQ(chain.exit_code, 0) << chain.out << chain.err;
}

}  // namespace
}  // namespace cardswap::test
