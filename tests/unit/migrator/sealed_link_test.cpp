#include "migrator/link/open_link.h"

#include <gmock/gmock.h>

#include "tests/support/no_link.h"

namespace cardswap {
namespace {

using ::testing::SizeIs;

/// A link below a sealed one: keeps what it is given to send.
class KeepingLink final : public test::NoLink {
 public:
  explicit KeepingLink(std::vector<std::vector<std::byte>>& sent) : sent_(sent) {}
  void send_control(PeerId, std::vector<std::byte> message) override {
    sent_.push_back(std::move(message));
  }
  void send_bulk(PeerId, std::vector<std::byte>, std::span<const std::byte> payload,
                 std::shared_ptr<const void>) override {
    sent_.emplace_back(payload.begin(), payload.end());
  }

 private:
  std::vector<std::vector<std::byte>>& sent_;
};

/// An engine that expects no event except the loss of a peer.
struct SilentEngine final : LinkListener {
  void on_control(PeerId, std::span<const std::byte>) override { ++messages; }
  std::span<std::byte> reserve(PeerId, std::span<const std::byte>, std::size_t) override {
    return {};
  }
  void on_received(PeerId, std::span<const std::byte>, std::size_t) override {}
  void on_lost(PeerId, std::string_view) override {}

  int messages = 0;
};

/// One side of a sealed link, and what it sends.
struct SealedSide {
  explicit SealedSide(Direction direction)
      : link(cipher_key_from(std::string(64, '7')), direction, clear_refusal(), engine,
             [this](LinkListener& listener) {
               inner = &listener;
               return std::make_unique<KeepingLink>(sent);
             }) {}
  void send_everything(PeerId to) {
    link.send_control(to, std::vector<std::byte>(8));
    link.send_bulk(to, std::vector<std::byte>(8), payload, {});
  }

  const std::vector<std::byte> payload = std::vector<std::byte>(16);
  std::vector<std::vector<std::byte>> sent;
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
  constexpr PeerId kPeer{3};
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

}  // namespace
}  // namespace cardswap
