/// Method: an agent with certificates, and `evil`: a valid certificate of role agent that another
/// host of the fleet lost. It speaks to the agent as it likes.

#include <gmock/gmock.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_future.hpp>
#include <boost/json.hpp>
#include <fstream>

#include "agent/http/client.h"
#include "agent/security/identity.h"
#include "migrator/base/error.h"
#include "tests/support/fleet_certificates.h"
#include "tests/support/scripted_peer.h"

namespace cardswap::test {
namespace {

using namespace std::chrono_literals;
namespace json = boost::json;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

class StolenAgent : public ::testing::Test {
 protected:
  [[nodiscard]] static std::vector<std::string> endless() {
    return {trainer("plain_memory"), "--steps", "1000000", "--step-ms", "5"};
  }
  [[nodiscard]] HttpResponse says(const std::string& method, const std::string& target,
                                  const json::object& body = {}) const {
    return ask_over_tls(
        *b_, evil_,
        {.method = method, .target = target, .body = body.empty() ? "" : json::serialize(body)});
  }
  [[nodiscard]] static json::object place(const std::string& name, const std::string& uid) {
    return {{"migration", "m-0123456789abcdef"},
            {"job", {{"name", name}, {"uid", uid}, {"argv", {"/bin/sleep", "1000"}}, {"cwd", "/"}}},
            {"device", "cpu:0"},
            {"state_bytes", 4096},
            {"epoch", 5},
            {"from", "evil/cpu:0"},
            {"from_api", "127.0.0.66:7070"}};
  }

  [[nodiscard]] std::vector<std::string> options() const {
    auto more = FleetCertificates::options(fleet_.issue(ApiRole::agent, "b", {"127.0.0.1"}));
    more.insert(more.end(), {"--criu", "none"});
    return more;
  }

  FleetCertificates fleet_;
  TempDir dir_;
  tls::Files evil_ = fleet_.issue(ApiRole::agent, "evil", {"127.0.0.66"});
  std::unique_ptr<Host> b_ = std::make_unique<Host>(
      dir_.path() / "b",
      HostOptions{.name = "b", .devices = {"cpu:0", "cpu:1"}, .more = options()});
};

TEST_F(StolenAgent, TakesOverNoLiveJobByItsNameOrItsUid) {
  b_->run_job("victim", endless());
  const auto before = b_->job("victim");
  const auto uid = text(before, "uid");
  ASSERT_THAT(uid, SizeIs(32)) << "its own host may know it";
  for (const auto& [name, told] : std::vector<std::pair<std::string, std::string>>{
           {"victim", uid}, {"victim", ""}, {"victim", std::string(32, 'a')}, {"other", uid}}) {
    for (const auto* device : {"cpu:0", "cpu:1"}) {
      auto wanted = place(name, told);
      wanted["device"] = device;
      const auto answer = says("POST", "/v1/peer/reservations", wanted);
      ASSERT_EQ(answer.status, 200U) << json::serialize(answer.body);
      EXPECT_FALSE(answer.body.at("accepted").as_bool()) << name << " " << device;
      wanted["dry_run"] = true;
      EXPECT_FALSE(says("POST", "/v1/peer/reservations", wanted).body.at("accepted").as_bool());
    }
  }
  EXPECT_TRUE(b_->steps_again_within("victim", 5s));
  EXPECT_EQ(b_->job("victim").at("pid"), before.at("pid"));
  EXPECT_EQ(b_->leftovers(), "");
}

/// A migration of it that is under way is no door either: its id is not enough.
TEST_F(StolenAgent, TakesOverNoJobThatIsJustMoving) {
  b_->run_job("victim", endless());
  ASSERT_TRUE(within(10s, [&] { return b_->step_of("victim") >= 3; }));
  const auto started = b_->command({"-o", "json", "migrate", "victim", "--to", b_->at("cpu:1"),
                                    "--hold-at", "preparing", "--detach"});
  ASSERT_EQ(started.exit_code, 0) << started.err;
  const auto id = text(json::parse(started.out).as_object(), "id");
  ASSERT_TRUE(within(10s, [&] { return b_->ask({"status", id}).at("held").as_bool(); }));
  auto wanted = place("victim", text(b_->job("victim"), "uid"));
  wanted["migration"] = id;
  wanted["epoch"] = 2;
  const auto refused = says("POST", "/v1/peer/reservations", wanted);
  EXPECT_TRUE(refused.status != 200U || !refused.body.at("accepted").as_bool());
  // Under another name it would stand in the way of who resolves that migration here.
  wanted["job"] = place("other", "").at("job");
  EXPECT_EQ(says("POST", "/v1/peer/reservations", wanted).status, 409U);
  EXPECT_EQ(
      ask_over_unix(*b_, {.method = "POST", .target = "/v1/migrations/" + id + "/proceed"}).status,
      200U);
  EXPECT_TRUE(within(20s, [&] {
    return text(b_->ask({"status", id}), "result") == "ok";
  })) << b_->log();
  EXPECT_TRUE(b_->steps_again_within("victim", 5s)) << "an honest move between devices";
}

TEST_F(StolenAgent, HoldsNoNameThatAnotherAgentsJobComesUnder) {
  const auto honest = fleet_.issue(ApiRole::agent, "a", {"127.0.0.1"});
  const auto ask = [&](const tls::Files& who, const json::object& wanted) {
    return ask_over_tls(
        *b_, who,
        {.method = "POST", .target = "/v1/peer/reservations", .body = json::serialize(wanted)});
  };
  const auto uid = std::string(32, '1');
  ASSERT_TRUE(ask(honest, place("gpt", uid)).body.at("accepted").as_bool());
  for (const auto& told : {uid, std::string(32, '2'), std::string()}) {
    auto wanted = place("gpt", told);
    wanted["migration"] = "m-00000002";
    EXPECT_FALSE(ask(evil_, wanted).body.at("accepted").as_bool()) << told;
  }
  EXPECT_EQ(b_->command({"run", "--name", "gpt", "--", "/bin/sleep", "9"}).exit_code, 3)
      << "a job of that name is on its way";
}

TEST_F(StolenAgent, MakesNoPathAndNoOtherCallOfAnId) {
  const auto victim = dir_.path() / "victim";
  std::filesystem::create_directory(victim);
  std::ofstream(victim / "file") << "untouched\n";
  std::filesystem::permissions(victim, std::filesystem::perms(0700));
  const auto split = std::string(
      "x HTTP/1.1\r\nHost: c\r\n\r\nDELETE /v1/peer/reservations/m-legit HTTP/1.1\r\nHost: "
      "c\r\n\r\n");
  for (const auto& id : std::vector<std::string>{
           "", "/../../../../" + (victim / "file").string(), "../../" + victim.string(), "m-/../x",
           "m-0123456789\n", std::string("m-0123456789\0/x", 15), split, std::string(300, 'b'),
           "/" + std::string(300, 'b') + "/c", "m-0123456789ABCDEF"}) {
    auto wanted = place("phantom", "");
    wanted["migration"] = id;
    const auto answer = says("POST", "/v1/peer/reservations", wanted);
    EXPECT_EQ(answer.status, 400U) << id;
    EXPECT_THAT(json::serialize(answer.body), Not(HasSubstr("untouched")));
  }
  EXPECT_EQ(read_file((victim / "file").string()), "untouched\n");
  EXPECT_EQ(std::filesystem::status(victim).permissions(), std::filesystem::perms(0700));
  EXPECT_EQ(b_->leftovers(), "");
  for (const auto* api : {"127.0.0.1:1\r\nX: y", "a b", "/etc", "[::1%\r\nX]:1", "h:99999"}) {
    auto wanted = place("phantom", "");
    wanted["from_api"] = api;
    EXPECT_EQ(says("POST", "/v1/peer/reservations", wanted).status, 400U) << api;
  }
}

TEST_F(StolenAgent, SeesDevicesAndNoJobs) {
  b_->run_job("victim", endless());
  for (const auto* target : {"/v1/devices", "/v1/version"}) {
    EXPECT_EQ(says("GET", target).status, 200U) << target;
  }
  for (const auto* target :
       {"/v1/jobs", "/v1/jobs/victim", "/v1/jobs/victim/logs", "/v1/jobs/victim/state",
        "/v1/migrations", "/v1/events", "/v1/health", "/v1/cordon", "/v1/peers", "/metrics"}) {
    EXPECT_EQ(says("GET", target).status, 403U) << target;
  }
}

TEST_F(StolenAgent, IsToldNoDecisionOfAMigrationThatGoesElsewhere) {
  const auto a_files = fleet_.issue(ApiRole::agent, "a", {"127.0.0.1"});
  const Host a(dir_.path() / "a", {.name = "a", .more = FleetCertificates::options(a_files)});
  b_->run_job("victim", endless());
  ASSERT_TRUE(within(10s, [&] { return b_->step_of("victim") >= 3; }));
  const auto id = text(b_->ask({"migrate", "victim", "--to", a.at("cpu:0")}), "id");
  const auto target = "/v1/peer/decisions/" + id;
  EXPECT_EQ(says("GET", target).status, 404U);
  const auto told = ask_over_tls(*b_, a_files, {.target = target});
  EXPECT_EQ(told.status, 200U);
  EXPECT_EQ(text(told.body, "decision"), "committed");
}

TEST_F(StolenAgent, LearnsNothingOfFilesWhereNoProcessMayCome) {
  auto wanted = place("phantom", "");
  wanted["arrive"] = "criu";
  wanted["dry_run"] = true;
  json::array files;
  for (const auto* path : {"/etc/shadow", "/nowhere", "/proc/kmsg"}) {
    files.push_back(
        json::object{{"path", path}, {"use", "mapped"}, {"bytes", 1}, {"build_id", "00"}});
  }
  wanted["process"] =
      json::object{{"cpu_features", {"avx4096"}}, {"files", files}, {"gpus", json::array{}}};
  const auto asked_at = std::chrono::steady_clock::now();
  const auto answer = says("POST", "/v1/peer/reservations", wanted);
  EXPECT_LT(std::chrono::steady_clock::now() - asked_at, 5s);
  EXPECT_FALSE(answer.body.at("accepted").as_bool());
  const auto said = json::serialize(answer.body);
  EXPECT_THAT(said, HasSubstr("restores no processes"));
  for (const auto* told : {"shadow", "nowhere", "kmsg", "avx4096", "bytes"}) {
    EXPECT_THAT(said, Not(HasSubstr(told)));
  }
}

/// The source's agent is asked for its decision by a call that names the one who reserved.
TEST_F(StolenAgent, AnswersForNoOtherAgent) {
  const auto ask = [&](const std::string& only_of) {
    boost::asio::io_context context;
    tls::Identity::use(context, tls::client_context(evil_));
    http::Request request;
    request.target = "/v1/version";
    request.only_of = only_of;
    auto answer = boost::asio::co_spawn(
        context,
        http::call(http::Endpoint::tcp("127.0.0.1", static_cast<std::uint16_t>(b_->port())),
                   std::move(request)),
        boost::asio::use_future);
    context.run();
    return answer.get();
  };
  EXPECT_TRUE(ask("b").is_object());
  EXPECT_TRUE(ask("").is_object());
  try {
    (void)ask("a");
    ADD_FAILURE() << "b was asked what only a knows";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Code::unauthorized) << error.what();
  }
}

/// A certificate of the fleet's authority and of role agent, whose subject is what openssl is told.
tls::Files certificate_of(const FleetCertificates& fleet, const std::filesystem::path& dir,
                          const std::string& subject) {
  std::filesystem::create_directories(dir);
  const auto script =
      "umask 077; cd '" + dir.string() +
      "' && openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout tls.key -out "
      "r.csr -utf8 -subj \"$1\" && printf 'subjectAltName=URI:cardswap://role/agent,"
      "IP:127.0.0.1\\nextendedKeyUsage=serverAuth,clientAuth\\n' > ext && openssl x509 -req -in "
      "r.csr -CA '" +
      (fleet.dir() / "ca.crt").string() + "' -CAkey '" + (fleet.dir() / "ca.key").string() +
      "' -CAcreateserial -days 1 -extfile ext -out tls.crt";
  const auto made = run({"sh", "-c", script, "sh", subject});
  if (made.exit_code != 0) throw std::runtime_error(made.err);
  return {.certificate = dir / "tls.crt",
          .key = dir / "tls.key",
          .authority = fleet.authority_only().authority};
}

TEST_F(StolenAgent, WithoutAUsableNameIsNobody) {
  const HttpRequest devices{.target = "/v1/devices"};
  const auto named = certificate_of(fleet_, dir_.path() / "named", "/CN=gpu-x");
  EXPECT_EQ(ask_over_tls(*b_, named, devices).status, 200U);
  for (const auto* subject : {"/O=somebody", "/CN=gpu-x/CN=gpu-y", "/CN=\n", "/CN=gpu\x1b[2J"}) {
    const auto files = certificate_of(fleet_, dir_.path() / "odd", subject);
    EXPECT_EQ(ask_over_tls(*b_, files, devices).status, 401U) << subject;
  }
}

// ---- what this host's own calls are made of

TEST(Calls, AreNotMadeWhereTwoWouldBecomeOfOne) {
  ScriptedPeer peer([](const ScriptedPeer::Asked&) { return ScriptedPeer::Answer{"{}"}; });
  const auto call = [&](http::Request request) {
    boost::asio::io_context context;
    request.timeout = 2s;
    auto answer = boost::asio::co_spawn(
        context, http::call(http::Endpoint::tcp("127.0.0.1", peer.port()), std::move(request)),
        boost::asio::use_future);
    context.run();
    (void)answer.get();
  };
  std::vector<http::Request> bad(6);
  bad[0].target = "/v1/x HTTP/1.1\r\nHost: c\r\n\r\nGET /v1/y";
  bad[1].target = "/v1/x y";
  bad[2].target = std::string("/v1/\0x", 6);
  bad[3].target = "v1";
  bad[4].target = bad[5].target = "/v1/x";
  bad[4].headers = {{"X-Y", "a\r\nZ: b"}};
  bad[5].method = "GET /v1/z HTTP/1.1\r\n";
  for (auto& request : bad) {
    const auto target = request.target;
    EXPECT_THROW(call(std::move(request)), Error) << target;
  }
  EXPECT_EQ(peer.exchanges(), 0U);
  http::Request good;
  good.target = "/v1/jobs/" + http::percent_encoded("a b\r\n") + "?x=1";
  call(std::move(good));
  EXPECT_EQ(peer.exchanges(), 1U);
}

// ---- uids and tokens

TEST_F(StolenAgent, UidsAreForThoseWhoMayActOnJobs) {
  b_->run_job("victim", endless());
  ASSERT_TRUE(within(10s, [&] { return b_->step_of("victim") >= 3; }));
  const auto id = text(b_->ask({"migrate", "victim", "--to", b_->at("cpu:1")}), "id");
  const auto uid = text(b_->job("victim"), "uid");
  ASSERT_THAT(uid, SizeIs(32));
  const auto viewer = fleet_.issue(ApiRole::viewer, "victor");
  const auto acting = fleet_.issue(ApiRole::operator_, "olga");
  for (const auto& target : std::vector<std::string>{
           "/v1/jobs", "/v1/jobs/victim", "/v1/migrations?incoming=1", "/v1/migrations/" + id}) {
    const auto seen = ask_over_tls(*b_, viewer, {.target = target});
    EXPECT_EQ(seen.status, 200U) << target;
    EXPECT_THAT(json::serialize(seen.body), Not(HasSubstr(uid))) << target;
    const auto acted = ask_over_tls(*b_, acting, {.target = target});
    EXPECT_THAT(json::serialize(acted.body), HasSubstr(uid)) << target;
  }
}

TEST(AlertToken, TellsOfAlertsAndNothingElse) {
  const FleetCertificates fleet;
  const TempDir dir;
  const auto tokens = dir.path() / "tokens";
  const auto hash = run({"sh", "-c", "printf %s alarm | sha256sum | cut -d' ' -f1"}).out;
  std::ofstream(tokens) << "alerts " << hash;
  auto more = FleetCertificates::options(fleet.issue(ApiRole::agent, "b", {"127.0.0.1"}));
  more.insert(more.end(), {"--token-file", tokens.string()});
  const Host b(dir.path() / "b", {.name = "b", .more = more});
  const auto says = [&](HttpRequest request) {
    request.headers = {{"Authorization", "Bearer alarm"}};
    return ask_over_tls(b, fleet.authority_only(), request).status;
  };
  EXPECT_EQ(says({.method = "POST", .target = "/v1/alerts", .body = R"({"alerts": []})"}), 200U);
  for (const auto& rule : access_rules()) {
    if (rule.role == ApiRole::anybody || rule.pattern == "/v1/alerts") continue;
    HttpRequest request{.method = std::string(rule.method), .target = ""};
    for (const char c : rule.pattern) request.target += c == '{' || c == '}' ? 'x' : c;
    if (request.method == "POST") request.body = "{}";
    EXPECT_EQ(says(std::move(request)), 403U) << rule.method << " " << rule.pattern;
  }
}

}  // namespace
}  // namespace cardswap::test
