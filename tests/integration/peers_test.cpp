/// Method: a real agent with a real job, and a target that is a script: it answers what no agent
/// answers. Whatever it says or does not say, the migration ends with one error that names it, the
/// job trains on, nothing stays reserved, and the command ends.

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <signal.h>

#include <boost/json.hpp>
#include <memory>

#include "tests/support/http.h"
#include "tests/support/leftovers.h"
#include "tests/support/scripted_peer.h"

namespace cardswap::test {
namespace {

using namespace std::chrono_literals;
using ::testing::AnyOf;
using ::testing::HasSubstr;
using Answer = ScriptedPeer::Answer;
using Asked = ScriptedPeer::Asked;

constexpr auto kAccepted = R"({"accepted": true, "reservation": {}})";

Answer said(std::string body, unsigned status = 200) { return {std::move(body), status}; }

bool is_reservation(const Asked& asked) {
  return asked.method == "POST" && asked.target == "/v1/peer/reservations";
}

/// Accepts, and then answers every question about the reservation with `status`.
ScriptedPeer::Script accepts_then(std::string status) {
  return [status](const Asked& asked) {
    if (is_reservation(asked)) return said(kAccepted);
    return asked.method == "DELETE" ? said("{}") : said(status);
  };
}

class OddPeer : public ::testing::Test {
 protected:
  void SetUp() override {
    a_.run_job("job", {trainer("plain_memory"), "--steps", "1000000", "--step-ms", "5"});
    ASSERT_TRUE(within(10s, [&] { return a_.step_of("job") >= 3; }));
  }
  /// The job was never touched, and nothing is held for what was tried.
  void TearDown() override {
    EXPECT_TRUE(a_.steps_again_within("job", 5s)) << a_.log();
    EXPECT_TRUE(within(5s, [&] { return running().empty(); }));
    EXPECT_EQ(a_.leftovers(), "");
  }

  [[nodiscard]] boost::json::array running() const {
    boost::json::array found;
    const auto answer = a_.ask({"status"});
    for (const auto& item : answer.at("migrations").as_array()) {
      if (item.at("result").is_null()) found.push_back(item);
    }
    return found;
  }
  [[nodiscard]] boost::json::object latest() const {
    const auto answer = a_.ask({"status"});
    const auto& list = answer.at("migrations").as_array();
    return list.empty() ? boost::json::object() : list.front().as_object();
  }
  [[nodiscard]] std::vector<std::string> migrate(std::vector<std::string> more = {}) const {
    std::vector<std::string> arguments{"migrate", "job", "--to", peer_.at("cpu:0")};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return arguments;
  }
  [[nodiscard]] Child in_background(const std::vector<std::string>& arguments) const {
    std::vector<std::string> argv{CARDSWAP, "--agent", (a_.dir() / "cardswapd.sock").string()};
    argv.insert(argv.end(), arguments.begin(), arguments.end());
    return {argv, (dir_.path() / "printed").string()};
  }
  /// `cardswap migrate` ends by itself, long before its time-out.
  void expect_refused(const std::string& what) {
    SCOPED_TRACE(what);
    auto command = in_background(migrate({"--timeout", "60s"}));
    ASSERT_TRUE(within(10s, [&] { return command.ended(); })) << a_.log();
    const auto printed = read_file((dir_.path() / "printed").string());
    EXPECT_EQ(command.wait(), 3) << printed;
    EXPECT_THAT(printed, HasSubstr(peer_.address()));
    EXPECT_THAT(printed, HasSubstr("\nhint: "));
    EXPECT_THAT(printed, ::testing::Not(HasSubstr("defect of Cardswap")));
    EXPECT_EQ(text(latest(), "state"), "aborted");
    // It may have reserved something, whatever it said.
    const auto asked = peer_.asked();
    EXPECT_EQ(asked.back().method, "DELETE") << asked.back().target;
    std::filesystem::remove(dir_.path() / "printed");
  }

  TempDir dir_;
  NothingOutlives guard_{dir_.path()};
  ScriptedPeer peer_{[](const Asked&) { return said("{}"); }};
  Host a_{dir_.path() / "a", {.name = "gpu-a"}};
};

TEST_F(OddPeer, WhoseAnswerToAReservationIsNoneEndsTheMigrationWithOneError) {
  for (const auto* body :
       {"{}", "[]", "null", "\"yes\"", "7", R"({"accepted": "yes"})", R"({"accepted": 1})",
        R"({"accepted": null})", R"({"accepted": []})", R"({"accepted": {"accepted": true}})",
        R"({"accepted": false, "blocked_reasons": "none"})",
        R"({"accepted": false, "blocked_reasons": [1, {}]})",
        R"({"accepted": false, "blocked_reasons": {}, "code": 7})", R"({"accepted": false})"}) {
    peer_.follow(
        [body](const Asked& asked) { return asked.method == "DELETE" ? said("{}") : said(body); });
    expect_refused(body);
  }
  EXPECT_THAT(text(latest().at("error").as_object(), "failure"), HasSubstr("does not say why"));
}

TEST_F(OddPeer, WhoseStatusIsNoneEndsTheMigrationWithOneError) {
  const std::string parked = R"({"version": 2, "epoch": 2, "state": "parked", )";
  for (const auto& body :
       {std::string("{}"), std::string("[]"), std::string("null"),
        std::string(R"({"version": 2, "epoch": 2, "state": "asleep"})"),
        std::string(R"({"version": 2, "epoch": 2, "state": 3})"),
        std::string(R"({"version": 2, "epoch": 2, "state": "completed"})"),
        std::string(R"({"version": 2, "epoch": 2, "state": "granted"})"),
        std::string(R"({"version": 2, "epoch": 2, "state": "verified"})"),
        std::string(R"({"version": 2, "epoch": 7, "state": "starting"})"),
        std::string(R"({"version": 2, "epoch": -2, "state": "starting"})"),
        std::string(R"({"version": 1e300, "epoch": 2, "state": "starting"})"),
        std::string(R"({"version": "2", "epoch": 2, "state": "starting"})"),
        std::string(R"({"version": 2, "state": "starting"})"), parked + R"("data_port": 4711})",
        parked + R"("data_host": "127.0.0.1", "data_port": 65536, "data_token": "t"})",
        parked + R"("data_host": 1, "data_port": 4711, "data_token": "t"})",
        parked + R"("data_host": "127.0.0.1", "data_port": -1, "data_token": "t"})"}) {
    peer_.follow(accepts_then(body));
    expect_refused(body);
  }
  // In 16 bits it would be one.
  const auto no_port =
      parked + R"("data_host": "127.0.0.1", "data_port": 70247, "data_token": "t"})";
  peer_.follow(accepts_then(no_port));
  expect_refused(no_port);
  EXPECT_THAT(text(latest().at("error").as_object(), "failure"), HasSubstr("which is no port"));
}

/// The trainers' engines have found the same bytes; what their agents report of them differs.
TEST_F(OddPeer, ThatReportsAnotherDigestEndsTheMigrationWithThatReason) {
  const auto b = std::make_shared<Host>(dir_.path() / "b", HostOptions{.name = "gpu-b"});
  peer_.follow([b](const Asked& asked) {
    auto answer = ask_over_tcp(*b, {asked.method, asked.target, asked.body, {}});
    if (text(answer.body, "state") == "verified") {
      auto& root = answer.body.at("root").as_string();
      root.front() = root.front() == '0' ? '1' : '0';
    }
    return said(boost::json::serialize(answer.body), answer.status);
  });
  const auto outcome = a_.command(migrate());
  EXPECT_THAT(outcome.err, HasSubstr("the two sides report different digests")) << a_.log();
  EXPECT_EQ(text(latest(), "state"), "aborted");
  EXPECT_EQ(text(latest().at("error").as_object(), "code"), "digest_mismatch");
  EXPECT_TRUE(within(5s, [&] { return b->leftovers().empty(); })) << b->leftovers();
  peer_.follow([](const Asked&) { return said("{}"); });
}

TEST_F(OddPeer, ThatSaysNothingIsGivenUpAtTheTimeout) {
  peer_.follow([](const Asked& asked) {
    return Answer{"{}", 200, asked.method == "DELETE" ? 0ms : 60'000ms};
  });
  auto command = in_background(migrate({"--timeout", "1s"}));
  ASSERT_TRUE(within(4s, [&] { return command.ended(); })) << a_.log();
  EXPECT_EQ(command.wait(), 4) << read_file((dir_.path() / "printed").string());
}

TEST_F(OddPeer, ThatSaysNothingIsLeftWhenTheMigrationIsCancelled) {
  peer_.follow([](const Asked& asked) {
    return Answer{"{}", 200, asked.method == "DELETE" ? 0ms : 60'000ms};
  });
  auto command = in_background(migrate());
  ASSERT_TRUE(within(5s, [&] { return text(latest(), "state") == "preparing"; }));
  EXPECT_EQ(a_.command({"cancel", text(latest(), "id")}).exit_code, 0);
  ASSERT_TRUE(within(2s, [&] { return command.ended(); })) << a_.log();
  EXPECT_EQ(command.wait(), 4);
}

TEST_F(OddPeer, ThatAnswersAtOnceForEverIsNotAskedInABusyLoop) {
  peer_.follow(accepts_then(R"({"version": 2, "epoch": 2, "state": "starting"})"));
  EXPECT_EQ(a_.command(migrate({"--timeout", "2s"})).exit_code, 4);
  EXPECT_LT(peer_.exchanges(), 120U);
}

TEST_F(OddPeer, WhoseErrorHasNoTextIsNamedNevertheless) {
  for (const auto* body : {R"({"error": {}})", R"({"error": {"code": 7, "failure": []}})",
                           R"({"error": {"code": "in_doubt", "failure": ""}})", "", "[]"}) {
    SCOPED_TRACE(body);
    peer_.follow([body](const Asked& asked) {
      return asked.method == "DELETE" ? said("{}") : said(body, 500);
    });
    const auto outcome = a_.command(migrate({"--timeout", "60s"}));
    EXPECT_THAT(outcome.exit_code, AnyOf(1, 3)) << outcome.err;
    EXPECT_THAT(outcome.err, HasSubstr(peer_.address() + " "));
    EXPECT_EQ(text(latest(), "result"), "failed");
  }
}

}  // namespace
}  // namespace cardswap::test
