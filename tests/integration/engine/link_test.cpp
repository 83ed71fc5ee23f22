/// Method: two links over real UCX on loopback, both served by the test's thread. An event does
/// what an engine does that waits for its card or its program: it serves its link until something
/// comes.

#include <gmock/gmock.h>

#include <functional>

#include "migrator/error.h"
#include "migrator/link.h"
#include "tests/support/sanitizer.h"

namespace cardswap {
namespace {

using namespace std::chrono_literals;
using Bytes = std::vector<std::byte>;
using Clock = std::chrono::steady_clock;
using ::testing::ElementsAre;

constexpr std::size_t kMiB = 1U << 20U;

Bytes bytes(std::string_view text) {
  const auto raw = std::as_bytes(std::span(text));
  return {raw.begin(), raw.end()};
}

struct Heard final : LinkEvents {
  void on_control(PeerId from, std::span<const std::byte> message) override {
    peer = from;
    const std::string text(reinterpret_cast<const char*>(message.data()),
                           message.size());  // NOLINT
    heard.push_back(text);
    if (act) act(text);
    heard.push_back(text + " done");
  }
  std::span<std::byte> place_for(PeerId, std::span<const std::byte>, std::size_t size) override {
    if (refuses) throw Error(Code::bad_request, "nobody asked for it");
    payload.assign(size, std::byte{0});
    return payload;
  }
  void on_landed(PeerId, std::span<const std::byte>, std::size_t) override { ++landed; }
  void on_lost(PeerId, std::string_view why) override { lost = why; }

  std::function<void(const std::string&)> act;
  bool refuses = false;
  PeerId peer{};
  std::vector<std::string> heard;
  Bytes payload;
  std::size_t landed = 0;
  std::string lost;
};

class UcxLinks : public ::testing::Test {
 protected:
  template <class Condition>
  bool serve_until(Condition condition) {
    const auto until = Clock::now() + 10s * test::kPatience;
    while (!condition() && Clock::now() < until) {
      client_->wait(Clock::now());
      server_->wait(Clock::now() + 1ms);
    }
    return condition();
  }
  Heard at_server_;
  Heard at_client_;
  std::unique_ptr<Link> server_ = listen_link("127.0.0.1", "tcp", at_server_);
  std::unique_ptr<Link> client_ = connect_link("127.0.0.1", server_->port(), "tcp", at_client_);
};

TEST_F(UcxLinks, DeliverAnEventWhoseHandlerServesTheLink) {
  const Bytes payload(kMiB, std::byte{7});
  at_server_.act = [&](const std::string& text) {
    if (text != "first") return;
    client_->send_control(kServer, bytes("second"));
    client_->send_bulk(kServer, bytes("header"), payload);
    EXPECT_TRUE(
        serve_until([&] { return at_server_.landed == 1 && at_server_.heard.size() >= 3; }));
  };
  client_->send_control(kServer, bytes("first"));
  ASSERT_TRUE(serve_until([&] { return at_server_.heard.size() == 4; }));
  EXPECT_THAT(at_server_.heard, ElementsAre("first", "second", "second done", "first done"));
  EXPECT_EQ(at_server_.payload, payload);
  EXPECT_EQ(at_server_.lost + at_client_.lost, "");
}

TEST_F(UcxLinks, DropAPeerFromItsOwnEvent) {
  at_server_.act = [&](const std::string&) { server_->drop(at_server_.peer); };
  const auto before = Clock::now();
  client_->send_control(kServer, bytes("first"));
  client_->send_control(kServer, bytes("second"));
  ASSERT_TRUE(serve_until([&] { return !at_client_.lost.empty(); }));
  EXPECT_THAT(at_server_.heard, ElementsAre("first", "first done")) << "it is nobody's any more";
  EXPECT_LT(Clock::now() - before, 5s * test::kPatience);
}

TEST_F(UcxLinks, LoseAPeerWhosePayloadIsRefusedAndNobodyElse) {
  const Bytes payload(kMiB, std::byte{7});
  at_server_.refuses = true;
  client_->send_bulk(kServer, bytes("header"), payload);
  ASSERT_TRUE(serve_until([&] { return !at_server_.lost.empty() && !at_client_.lost.empty(); }));
  EXPECT_EQ(at_server_.lost, "nobody asked for it");
  EXPECT_EQ(at_server_.landed, 0U);
  at_server_.refuses = false;
  Heard at_other;
  client_ = connect_link("127.0.0.1", server_->port(), "tcp", at_other);
  client_->send_bulk(kServer, bytes("header"), payload);
  EXPECT_TRUE(serve_until([&] { return at_server_.landed == 1; }));
  EXPECT_EQ(at_server_.payload, payload);
  client_.reset();
}

TEST_F(UcxLinks, EndWithAPayloadThatNobodyHasLookedAt) {
  const Bytes payload(kMiB, std::byte{7});
  at_server_.act = [&](const std::string&) { throw Error(Code::cancelled, "the engine ends"); };
  client_->send_control(kServer, bytes("first"));
  client_->send_bulk(kServer, bytes("header"), payload);
  ASSERT_TRUE(serve_until([&] { return !at_server_.lost.empty(); }));
  server_.reset();
  const auto before = Clock::now();
  client_.reset();
  EXPECT_LT(Clock::now() - before, 5s * test::kPatience);
}

}  // namespace
}  // namespace cardswap
