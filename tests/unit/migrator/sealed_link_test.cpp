#include "migrator/link/open_link.h"

#include <gmock/gmock.h>

#include <algorithm>

#include "tests/support/no_link.h"

namespace cardswap {
namespace {

using ::testing::SizeIs;

/// A link below a sealed one: keeps what it is given to send.
class KeepingLink final : public test::NoLink {
 public:
  KeepingLink(std::vector<std::vector<std::byte>>& sent,
              std::vector<std::vector<std::byte>>& headers)
      : sent_(sent), headers_(headers) {}
  void send_control(LinkId, std::vector<std::byte> message) override {
    sent_.push_back(std::move(message));
  }
  void send_payload(LinkId, std::vector<std::byte> header, std::span<const std::byte> payload,
                    std::shared_ptr<const void>) override {
    headers_.push_back(std::move(header));
    sent_.emplace_back(payload.begin(), payload.end());
  }

 private:
  std::vector<std::vector<std::byte>>& sent_;
  std::vector<std::vector<std::byte>>& headers_;
};

/// An engine that expects no event except the loss of a peer.
struct SilentEngine final : LinkListener {
  void on_control(LinkId, std::span<const std::byte>) override { ++messages; }
  std::span<std::byte> reserve(LinkId, std::span<const std::byte>, std::size_t) override {
    return {};
  }
  void on_received(LinkId, std::span<const std::byte>, std::size_t) override {}
  void on_lost(LinkId, std::string_view) override {}

  int messages = 0;
};

/// One side of a sealed link, and what it sends.
struct SealedSide {
  explicit SealedSide(Direction direction)
      : link(cipher_key_from(std::string(64, '7')), direction, clear_refusal(), engine,
             [this](LinkListener& listener) {
               inner = &listener;
               return std::make_unique<KeepingLink>(sent, headers);
             }) {}
  void send_everything(LinkId to) {
    link.send_control(to, std::vector<std::byte>(8));
    link.send_payload(to, std::vector<std::byte>(8), payload, {});
  }

  const std::vector<std::byte> payload = std::vector<std::byte>(16);
  std::vector<std::vector<std::byte>> sent;
  std::vector<std::vector<std::byte>> headers;  ///< of payloads
  SilentEngine engine;
  LinkListener* inner = nullptr;
  SealedLink link;
};

TEST(SealedLink, SendsNothingToAPeerThatItHasDropped) {
  SealedSide source(Direction::source_to_target);
  source.send_everything(kServer);
  ASSERT_THAT(source.sent, SizeIs(2));

  source.link.drop(kServer);

  EXPECT_NO_THROW(source.send_everything(kServer));
  EXPECT_THAT(source.sent, SizeIs(2));
}

TEST(SealedLink, SendsNothingToAPeerThatIsLost) {
  constexpr LinkId kPeer{3};
  SealedSide source(Direction::source_to_target);
  source.send_everything(kServer);
  SealedSide target(Direction::target_to_source);
  target.inner->on_control(kPeer, source.sent.front());
  ASSERT_EQ(target.engine.messages, 1);
  target.send_everything(kPeer);
  ASSERT_THAT(target.sent, SizeIs(2));

  target.inner->on_lost(kPeer, "reset");

  EXPECT_NO_THROW(target.send_everything(kPeer));
  EXPECT_THAT(target.sent, SizeIs(2));
}

/// A transfer in flight may still write to the memory of a peer that is gone.
TEST(SealedLink, KeepsTheMemoryOfPeersThatAreGone) {
  SealedSide target(Direction::target_to_source);
  const auto reserve_for = [&](LinkId peer) {
    SealedSide source(Direction::source_to_target);
    source.send_everything(kServer);
    target.inner->on_control(peer, source.sent.front());
    return target.inner->reserve(peer, source.headers.front(), 1000);
  };

  const auto of_lost = reserve_for(LinkId{1});
  target.inner->on_lost(LinkId{1}, "reset");
  const auto of_dropped = reserve_for(LinkId{2});
  target.link.drop(LinkId{2});
  const auto of_third = reserve_for(LinkId{3});

  // Memory that was freed would be used again.
  EXPECT_NE(of_lost.data(), of_dropped.data());
  EXPECT_NE(of_dropped.data(), of_third.data());
  std::ranges::fill(of_lost, std::byte{1});  // AddressSanitizer sees it if the memory was freed
  std::ranges::fill(of_dropped, std::byte{1});
}

}  // namespace
}  // namespace cardswap
