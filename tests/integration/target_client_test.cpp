/// Method: a peer that is no agent answers by a script; what is asked of it, and what is made of
/// its answers, is compared.

#include "agent/handover/source/target_client.h"

#include <gmock/gmock.h>

#include "tests/support/scripted_peer.h"

namespace cardswap::test {
namespace {

using namespace std::chrono_literals;
using handover::TargetState;
using ::testing::HasSubstr;
using Asked = ScriptedPeer::Asked;

class TargetClientTest : public ::testing::Test {
 protected:
  TargetClient::ReservationRef place() {
    return {http::Endpoint::tcp("127.0.0.1", peer_.port()), "m-1", 2};
  }
  template <class T>
  T wait(asio::awaitable<T> call) {
    std::optional<T> result;
    std::exception_ptr thrown;
    asio::co_spawn(context_, std::move(call), [&](std::exception_ptr error, T value) {
      thrown = error;
      result = std::move(value);
    });
    context_.restart();
    while (!result) context_.run_one();
    if (thrown) std::rethrow_exception(thrown);
    return std::move(*result);
  }
  void answers(std::string body) {
    peer_.follow([body = std::move(body)](const Asked&) { return ScriptedPeer::Answer{body}; });
  }
  [[nodiscard]] Asked asked() const { return peer_.asked().back(); }

  asio::io_context context_;
  TaskGroup tasks_{context_};
  ScriptedPeer peer_{[](const Asked&) { return ScriptedPeer::Answer{"{}"}; }};
  TargetClient client_{tasks_};
};

TEST_F(TargetClientTest, AsksForAPlaceAndSaysWhyThereIsNone) {
  answers(R"({"accepted": false, "code": "no_memory", "hint": "", "blocked_reasons": ["full"]})");
  ReservationRequest wanted;
  wanted.migration = "m-1";
  const auto offer = wait(client_.reserve(place().agent, wanted));
  EXPECT_FALSE(offer.accepted);
  EXPECT_EQ(offer.code, Code::no_memory);
  EXPECT_THAT(offer.blocked_reasons, ::testing::ElementsAre("full"));
  EXPECT_EQ(asked().method, "POST");
  EXPECT_EQ(asked().target, "/v1/peer/reservations");
  EXPECT_THAT(asked().body, HasSubstr("m-1"));
}

TEST_F(TargetClientTest, GrantsTheContentUnderTheEpochOfThePlace) {
  handover::Content content;
  content.step = 41;
  content.state_digest.bytes[0] = 7;
  const auto answer = wait(client_.grant(place(), content));
  EXPECT_FALSE(answer.status) << "it says that it is done, and no more";
  EXPECT_EQ(asked().method, "POST");
  EXPECT_EQ(asked().target, "/v1/peer/reservations/m-1/grant");
  EXPECT_THAT(asked().body, HasSubstr("\"epoch\":2"));
  EXPECT_THAT(asked().body, HasSubstr("\"step\":41"));
  EXPECT_THAT(asked().body, HasSubstr(to_string(content.state_digest)));
}

TEST_F(TargetClientTest, DropsUnderAHigherEpochOnlyWhereTheJobWasTakenBack) {
  (void)wait(client_.drop(place(), 2));
  EXPECT_EQ(asked().method, "DELETE");
  EXPECT_EQ(asked().target, "/v1/peer/reservations/m-1");
  (void)wait(client_.drop(place(), 102));
  EXPECT_EQ(asked().target, "/v1/peer/reservations/m-1?epoch=102");
}

TEST_F(TargetClientTest, TakesNothingForAStateThatIsNone) {
  for (const auto* body : {"{}", "[]", "7", R"({"state": "happy"})"}) {
    answers(body);
    try {
      (void)wait(client_.state(place(), 3s));
      FAIL() << body;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), Code::protocol_mismatch) << body;
      EXPECT_THAT(error.failure(), HasSubstr(peer_.address()));
    }
    EXPECT_EQ(asked().target, "/v1/peer/reservations/m-1");
  }
}

TEST_F(TargetClientTest, WaitsForNewsAtTheTarget) {
  EXPECT_THROW((void)wait(client_.wait_for_change(place(), 5, 300ms)), Error);
  EXPECT_EQ(asked().target, "/v1/peer/reservations/m-1?after=5&wait_ms=300");
}

}  // namespace
}  // namespace cardswap::test
