/// Method: two sealed links over real UCX on loopback, or over one in between that interferes: it
/// flips a bit, repeats, holds back or shows what passes. Nothing it does may reach the engine.

#include <gmock/gmock.h>

#include <algorithm>
#include <deque>

#include "migrator/base/error.h"
#include "migrator/link/open_link.h"
#include "migrator/link/sealed_link.h"
#include "migrator/wire/data_messages.h"

namespace cardswap {
namespace {

using Bytes = std::vector<std::byte>;
using Clock = std::chrono::steady_clock;
using ::testing::HasSubstr;
using namespace std::chrono_literals;

CipherKey key_of(char digit) { return cipher_key_from(std::string(64, digit)); }

Bytes bytes(std::string_view text) {
  const auto raw = std::as_bytes(std::span(text));
  return {raw.begin(), raw.end()};
}

/// An engine that notes what it is told.
struct Heard final : LinkListener {
  void on_control(LinkId from, std::span<const std::byte> message) override {
    peer = from;
    control.emplace_back(message.begin(), message.end());
  }
  std::span<std::byte> reserve(LinkId, std::span<const std::byte> header,
                               std::size_t size) override {
    headers.emplace_back(header.begin(), header.end());
    return payloads.emplace_back(size);
  }
  void on_received(LinkId, std::span<const std::byte>, std::size_t) override { ++landed; }
  void on_lost(LinkId, std::string_view why) override { lost = why; }

  LinkId peer{};
  std::vector<Bytes> control;
  std::vector<Bytes> headers;
  std::deque<Bytes> payloads;
  std::size_t landed = 0;
  std::string lost;
};

/// What passes between the seal and the line, and what is done to it.
class Between final : public Link {
 public:
  struct Wire {
    std::vector<Bytes> control;
    std::vector<Bytes> payloads;
    std::function<void(Bytes&)> change_control = [](Bytes&) {};
    std::function<void(Bytes&)> change_payload = [](Bytes&) {};
    bool hold_control = false;
    std::vector<Bytes> held;
  };

  Between(std::unique_ptr<Link> link, Wire& wire) : link_(std::move(link)), wire_(wire) {}
  void send_control(LinkId to, Bytes message) override {
    wire_.change_control(message);
    wire_.control.push_back(message);
    if (wire_.hold_control) {
      wire_.held.push_back(std::move(message));
      return;
    }
    link_->send_control(to, std::move(message));
  }
  void send_payload(LinkId to, Bytes header, std::span<const std::byte> payload,
                    std::shared_ptr<const void>) override {
    const auto changed = std::make_shared<Bytes>(payload.begin(), payload.end());
    wire_.change_payload(*changed);
    wire_.payloads.push_back(*changed);
    const std::span<const std::byte> all(*changed);
    link_->send_payload(to, std::move(header), all, changed);
  }
  [[nodiscard]] std::optional<std::size_t> direct_bytes_min(MemoryKind kind) const override {
    return link_->direct_bytes_min(kind);
  }
  [[nodiscard]] std::size_t payloads_in_flight() const override {
    return link_->payloads_in_flight();
  }
  [[nodiscard]] std::size_t control_in_flight() const override {
    return link_->control_in_flight();
  }
  void drop(LinkId peer) override { link_->drop(peer); }
  void admit(LinkId peer) override { link_->admit(peer); }
  void wait(Clock::time_point deadline) override { link_->wait(deadline); }
  void wake() noexcept override { link_->wake(); }
  [[nodiscard]] std::uint16_t port() const override { return link_->port(); }

 private:
  std::unique_ptr<Link> link_;
  Wire& wire_;
};

class SealedLinkTest : public ::testing::Test {
 protected:
  void listen(char key = 'a') {
    target_ = std::make_unique<SealedLink>(
        key_of(key), Direction::target_to_source, clear_refusal(), at_target_,
        [](LinkListener& events) { return listen_bare_link("127.0.0.1", {"tcp"}, events); });
  }
  std::unique_ptr<SealedLink> connected(Heard& heard, char key = 'a') {
    return std::make_unique<SealedLink>(key_of(key), Direction::source_to_target, clear_refusal(),
                                        heard, [this](LinkListener& events) {
                                          auto link = connect_bare_link(
                                              "127.0.0.1", target_->port(), {"tcp"}, events);
                                          raw_ = link.get();
                                          return std::make_unique<Between>(std::move(link), wire_);
                                        });
  }
  void connect(char key = 'a') { source_ = connected(at_source_, key); }

  template <class Condition>
  bool within(Clock::duration limit, Condition condition) {
    const auto deadline = Clock::now() + limit;
    while (!condition() && Clock::now() < deadline) {
      if (target_) target_->wait(Clock::now() + 2ms);
      if (source_) source_->wait(Clock::now() + 2ms);
    }
    return condition();
  }

  Between::Wire wire_;
  Heard at_source_;
  Heard at_target_;
  Link* raw_ = nullptr;  // the source's line, under the seal
  std::unique_ptr<SealedLink> target_;
  std::unique_ptr<SealedLink> source_;
};

TEST_F(SealedLinkTest, HandsOnWhatWasSentAndShowsNothingOfIt) {
  listen();
  connect();
  const Bytes payload(3 << 20, std::byte{0x5a});
  const Bytes pattern(64, std::byte{0x5a});
  source_->send_control(kServer, bytes("a secret value"));
  ASSERT_TRUE(within(5s, [&] { return at_target_.control.size() == 1; }));
  source_->send_payload(kServer, bytes("header"), payload, {});
  source_->send_control(kServer, {});
  ASSERT_TRUE(within(5s, [&] { return at_target_.landed == 1 && at_target_.control.size() == 2; }));
  target_->send_control(at_target_.peer, bytes("answer"));
  ASSERT_TRUE(within(5s, [&] { return at_source_.control.size() == 1; }));

  EXPECT_EQ(at_target_.control[0], bytes("a secret value"));
  EXPECT_EQ(at_target_.headers[0], bytes("header"));
  EXPECT_EQ(at_target_.payloads[0], payload);
  EXPECT_EQ(at_source_.control[0], bytes("answer"));
  EXPECT_EQ(std::ranges::search(wire_.payloads[0], pattern).size(), 0U);
  EXPECT_EQ(std::ranges::search(wire_.control[0], bytes("secret")).size(), 0U);
}

TEST_F(SealedLinkTest, AFlippedBitCostsTheConnectionAndIsNotSeen) {
  for (const bool payload : {false, true}) {
    at_target_ = {};
    listen();
    connect();
    source_->send_control(kServer, bytes("hello"));
    ASSERT_TRUE(within(5s, [&] { return at_target_.control.size() == 1; }));
    const auto flip = [](Bytes& frame) { frame[frame.size() / 2] ^= std::byte{4}; };
    if (payload) {
      wire_.change_payload = flip;
      source_->send_payload(kServer, bytes("header"), Bytes(1 << 20), {});
    } else {
      wire_.change_control = flip;
      source_->send_control(kServer, bytes("a longer message than its clear part"));
    }
    ASSERT_TRUE(within(5s, [&] { return !at_target_.lost.empty(); }));
    EXPECT_THAT(at_target_.lost, HasSubstr("does not open"));
    EXPECT_EQ(at_target_.landed, 0U);
    EXPECT_EQ(at_target_.control.size(), 1U);
    wire_ = {};
    source_.reset();
    target_.reset();
  }
}

TEST_F(SealedLinkTest, ARepeatedMessageIsNotTakenTwice) {
  listen();
  connect();
  source_->send_control(kServer, bytes("once"));
  ASSERT_TRUE(within(5s, [&] { return at_target_.control.size() == 1; }));
  raw_->send_control(kServer, wire_.control[0]);
  ASSERT_TRUE(within(5s, [&] { return !at_target_.lost.empty(); }));
  EXPECT_THAT(at_target_.lost, HasSubstr("came twice"));
  EXPECT_EQ(at_target_.control.size(), 1U);
}

TEST_F(SealedLinkTest, MessagesThatWereSwappedAreHandedOnInOrder) {
  listen();
  connect();
  wire_.hold_control = true;
  for (const auto* text : {"0", "1", "2", "3"}) source_->send_control(kServer, bytes(text));
  std::ranges::reverse(wire_.held);
  for (const auto& frame : wire_.held) raw_->send_control(kServer, frame);
  ASSERT_TRUE(within(5s, [&] { return at_target_.control.size() == 4; }));
  EXPECT_EQ(at_target_.control, (std::vector{bytes("0"), bytes("1"), bytes("2"), bytes("3")}));
}

TEST_F(SealedLinkTest, ARecordingOfAnotherConnectionIsRefused) {
  listen();
  connect();
  source_->send_control(kServer, bytes("hello"));
  ASSERT_TRUE(within(5s, [&] { return at_target_.control.size() == 1; }));
  source_.reset();
  Heard at_thief;
  auto thief = connect_bare_link("127.0.0.1", target_->port(), {"tcp"}, at_thief);
  thief->send_control(kServer, wire_.control[0]);
  const auto deadline = Clock::now() + 5s;
  while (at_thief.control.empty() && Clock::now() < deadline) {
    target_->wait(Clock::now() + 2ms);
    thief->wait(Clock::now() + 2ms);
  }
  ASSERT_EQ(at_thief.control.size(), 1U);
  const auto refusal = std::get<data::Refused>(data::decode(at_thief.control[0]));
  EXPECT_EQ(refusal.code, Code::unauthorized);
  EXPECT_EQ(at_target_.control.size(), 1U);
}

TEST_F(SealedLinkTest, AnotherKeyAndPlainTextAreRefusedByName) {
  listen();
  connect('b');
  source_->send_control(kServer, bytes("hello"));
  ASSERT_TRUE(within(5s, [&] { return at_source_.control.size() == 1; }));
  const auto refusal = std::get<data::Refused>(data::decode(at_source_.control[0]));
  EXPECT_EQ(refusal.code, Code::unauthorized);
  EXPECT_THAT(refusal.failure, HasSubstr("this migration's key"));
  raw_->send_control(kServer, data::encode(data::Ping{1}));
  ASSERT_TRUE(within(5s, [&] { return at_source_.control.size() == 2; }));
  EXPECT_TRUE(at_target_.control.empty());
}

TEST(Cipher, OpensOnlyUnderItsKeyKindNumberHeaderAndDirection) {
  const auto salt = random_salt();
  Cipher right(key_of('1'), salt, Direction::source_to_target);
  const auto clear = bytes("clear");
  auto text = bytes("text");
  text.resize(text.size() + Cipher::kTagBytes);
  right.seal(Cipher::Kind::payload, 7, clear, text);
  const auto opens = [&](Cipher& cipher, Cipher::Kind kind, std::uint64_t number,
                         const Bytes& header) {
    auto copy = text;
    try {
      const auto opened = cipher.open(kind, number, header, copy);
      return Bytes(opened.begin(), opened.end()) == bytes("text");
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), Code::unauthorized);
      return false;
    }
  };
  Cipher back(key_of('1'), salt, Direction::target_to_source);
  Cipher other_key(key_of('2'), salt, Direction::source_to_target);
  Cipher other_line(key_of('1'), random_salt(), Direction::source_to_target);
  EXPECT_TRUE(opens(right, Cipher::Kind::payload, 7, clear));
  EXPECT_FALSE(opens(right, Cipher::Kind::control, 7, clear));
  EXPECT_FALSE(opens(right, Cipher::Kind::payload, 8, clear));
  EXPECT_FALSE(opens(right, Cipher::Kind::payload, 7, bytes("cleaR")));
  EXPECT_FALSE(opens(back, Cipher::Kind::payload, 7, clear));
  EXPECT_FALSE(opens(other_key, Cipher::Kind::payload, 7, clear));
  EXPECT_FALSE(opens(other_line, Cipher::Kind::payload, 7, clear));
  EXPECT_TRUE(opens(right, Cipher::Kind::payload, 7, clear));
}

TEST(Cipher, RefusesAKeyThatIsNoneWithoutRepeatingIt) {
  for (const auto& text : {std::string(63, 'a'), std::string(64, 'g'), std::string()}) {
    EXPECT_THROW((void)cipher_key_from(text), Error);
  }
}

}  // namespace
}  // namespace cardswap
