/// Method: `evil` holds a valid certificate of role agent. In each call that agents make of each
/// other, each field in its turn is replaced by each of many values that no honest agent sends.
/// What must hold: an answer that is no failure of the agent, and afterwards all as it was.

#include <gmock/gmock.h>
#include <signal.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_future.hpp>
#include <boost/json.hpp>
#include <cmath>
#include <fstream>
#include <limits>

#include "agent/http/client.h"
#include "agent/security/identity.h"
#include "migrator/base/error.h"
#include "tests/support/fleet_certificates.h"

namespace cardswap::test {
namespace {

using namespace std::chrono_literals;
namespace json = boost::json;
using ::testing::AnyOf;
using ::testing::HasSubstr;
using ::testing::Not;

class PeerFields : public ::testing::Test {
 protected:
  void SetUp() override {
    std::filesystem::create_directory(victim_);
    std::ofstream(victim_ / "file") << "untouched\n";
    b_.run_job("honest", {trainer("plain_memory"), "--steps", "10000000", "--step-ms", "5"},
               "cpu:1");
    ASSERT_TRUE(within(10s, [&] { return b_.step_of("honest") >= 3; }));
    devices_ = devices();
    job_ = b_.job("honest");
  }

  /// The body is sent as it is: NaN and bytes that are no UTF-8 too.
  [[nodiscard]] http::Response ask(const std::string& method, const std::string& target,
                                   json::value body) const {
    boost::asio::io_context context;
    tls::Identity::use(context, tls::client_context(evil_));
    http::Request request;
    request.method = method;
    request.target = target;
    request.body = std::move(body);
    auto answer = boost::asio::co_spawn(
        context,
        http::exchange(http::Endpoint::tcp("127.0.0.1", static_cast<std::uint16_t>(b_.port())),
                       std::move(request)),
        boost::asio::use_future);
    context.run();
    return answer.get();
  }

  [[nodiscard]] json::array hostile() const {
    const auto file = (victim_ / "file").string();
    json::value deep = 1;
    for (int i = 0; i < 30; ++i) deep = json::array{deep};
    return {"",
            "../../../../../../../.." + file,
            "/../../../../../../../.." + file,
            file,
            "a\r\nHost: c\r\n\r\nDELETE /v1/jobs/honest HTTP/1.1\r\n",
            json::string(std::string("a\0b", 3)),
            json::string("\xff\xfe"),
            "\x1b]0;x\x07",
            std::string(70'000, 'b'),
            "%00%2e%2e",
            "honest",
            -1,
            1.5,
            1e300,
            std::numeric_limits<std::uint64_t>::max(),
            std::numeric_limits<double>::quiet_NaN(),
            std::numeric_limits<double>::infinity(),
            true,
            nullptr,
            json::array{},
            json::array{json::string(std::string("x\0y", 3))},
            json::object{},
            json::object{{"A=B", "x"}, {"uid", "y"}},
            deep};
  }
  [[nodiscard]] std::string next_id() { return "m-" + std::to_string(10'000'000 + ++ids_); }
  [[nodiscard]] json::object place() {
    return {
        {"migration", next_id()},
        {"job",
         {{"name", "guest"},
          {"uid", ""},
          {"argv", {"/bin/sleep", "1000"}},
          {"cwd", "/"},
          {"env", {{"A", "B"}}},
          {"device", "cpu:0"},
          {"user", ""},
          {"restart", "never"},
          {"arrive", "standby"}}},
        {"device", "cpu:0"},
        {"state_bytes", 4096},
        {"relocatable_bytes", 0},
        {"epoch", 2},
        {"from", "evil/cpu:0"},
        {"from_api", "127.0.0.66:7070"},
        {"framework", "none"},
        {"arrive", "standby"},
        {"process",
         {{"cpu_features", json::array{}},
          {"files", {{{"path", "/etc/shadow"}, {"use", "read"}, {"bytes", 1}, {"build_id", ""}}}},
          {"gpus", json::array{}}}},
        {"encrypt", false},
        {"dry_run", false}};
  }
  void reserve(const json::object& wanted, const std::string& what) {
    const auto answer = ask("POST", "/v1/peer/reservations", wanted);
    EXPECT_THAT(answer.status, AnyOf(200U, 400U, 409U, 422U)) << what << json::serialize(wanted);
    EXPECT_THAT(json::serialize(answer.body), Not(HasSubstr("untouched"))) << what;
    if (const auto* dry = wanted.if_contains("dry_run"); dry != nullptr && *dry == true) return;
    const auto* body = answer.body.if_object();
    const auto* accepted = body == nullptr ? nullptr : body->if_contains("accepted");
    if (accepted == nullptr || *accepted != true) return;
    const auto id = text(wanted, "migration");
    EXPECT_EQ(ask("DELETE", "/v1/peer/reservations/" + id, nullptr).status, 200U) << what;
  }
  [[nodiscard]] std::string devices() const { return json::serialize(b_.ask({"devices"})); }

  void expect_all_as_it_was() {
    EXPECT_TRUE(b_.steps_again_within("honest", 5s));
    EXPECT_EQ(b_.job("honest").at("pid"), job_.at("pid"));
    EXPECT_TRUE(within(5s, [&] { return devices() == devices_; })) << devices() << devices_;
    EXPECT_EQ(read_file((victim_ / "file").string()), "untouched\n");
    std::vector<std::string> outside;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(dir_.path())) {
      const auto path = entry.path().lexically_relative(dir_.path()).string();
      if (!path.starts_with("b") && !path.starts_with("victim")) outside.push_back(path);
      if (path.starts_with("b/jobs/") && entry.is_regular_file()) {
        EXPECT_THAT(path, AnyOf(HasSubstr("b/jobs/honest/log"), HasSubstr("b/jobs/guest/log-m-1")));
      }
    }
    EXPECT_THAT(outside, ::testing::IsEmpty());
    b_.kill_agent(SIGTERM);
    b_.start_agent();
    EXPECT_TRUE(within(10s, [&] { return b_.job("honest").at("attached") == true; }));
    EXPECT_TRUE(b_.steps_again_within("honest", 5s));
    EXPECT_TRUE(b_.ask({"version"}).at("warnings").as_array().empty()) << "a damaged journal";
  }

  FleetCertificates fleet_;
  TempDir dir_;
  std::filesystem::path victim_ = dir_.path() / "victim";
  tls::Files evil_ = fleet_.issue(ApiRole::agent, "evil", {"127.0.0.66"});
  Host b_{dir_.path() / "b",
          {.name = "b",
           .devices = {"cpu:0", "cpu:1"},
           .more = FleetCertificates::options(fleet_.issue(ApiRole::agent, "b", {"127.0.0.1"}))}};
  std::string devices_;
  json::object job_;
  int ids_ = 0;
};

TEST_F(PeerFields, OfAReservationMayHoldAnything) {
  const auto example = place();
  const auto taken = ask("POST", "/v1/peer/reservations", example);
  ASSERT_EQ(taken.body.at("accepted"), true) << json::serialize(taken.body);
  ASSERT_EQ(ask("DELETE", "/v1/peer/reservations/" + text(example, "migration"), nullptr).status,
            200U);
  for (const auto& value : hostile()) {
    for (const auto& field : example) {
      auto wanted = place();
      wanted[field.key()] = value;
      reserve(wanted, std::string(field.key()) + " ");
      if (!field.value().is_object()) continue;
      for (const auto& inner : field.value().get_object()) {
        auto within = place();
        within["arrive"] = field.key() == "process" ? "criu" : "standby";
        within["dry_run"] = field.key() == "process";
        within.at(field.key()).as_object()[inner.key()] = value;
        reserve(within, std::string(inner.key()) + " ");
      }
    }
    auto file = place();
    file["arrive"] = "criu";
    file["dry_run"] = true;
    for (const auto* key : {"path", "use", "bytes", "build_id"}) {
      auto& one = file["process"].as_object()["files"].as_array()[0].as_object();
      const auto before = one[key];
      one[key] = value;
      reserve(file, key);
      file["process"].as_object()["files"].as_array()[0].as_object()[key] = before;
    }
  }
  expect_all_as_it_was();
}

TEST_F(PeerFields, OfTheCallsAboutOneMayHoldAnything) {
  auto wanted = place();
  const auto id = text(wanted, "migration");
  ASSERT_EQ(ask("POST", "/v1/peer/reservations", wanted).status, 200U);
  const auto target = "/v1/peer/reservations/" + id;
  for (const auto& value : hostile()) {
    for (const auto* key : {"epoch", "root", "step"}) {
      json::object grant{{"epoch", 2}, {"root", std::string(32, '1')}, {"step", 7}};
      grant[key] = value;
      const auto answer = ask("POST", target + "/grant", grant);
      EXPECT_THAT(answer.status, AnyOf(400U, 404U, 409U, 422U)) << key << json::serialize(value);
    }
    const auto written = http::percent_encoded(value.is_string() ? std::string(value.get_string())
                                                                 : json::serialize(value));
    if (written.size() > 4096) continue;  // longer than a header may be
    for (const auto& asked : {target + "?after=" + written, target + "?wait_ms=" + written,
                              "/v1/peer/reservations/" + written, "/v1/peer/decisions/" + written,
                              "/v1/peer/decisions/" + id + "?state=" + written}) {
      EXPECT_THAT(ask("GET", asked, nullptr).status, AnyOf(200U, 400U, 404U)) << asked;
    }
    if (value.is_string() || value.is_null()) {
      EXPECT_EQ(ask("DELETE", target + "?epoch=x" + written, nullptr).status, 400U);
    }
  }
  EXPECT_EQ(ask("DELETE", target, nullptr).status, 200U);
  expect_all_as_it_was();
}

}  // namespace
}  // namespace cardswap::test
