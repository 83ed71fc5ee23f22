/// Method: two links over real UCX on loopback, both served by the test's thread. What the sender
/// is taken for is this process itself; who only says so is a bare link that speaks the same words.

#include <gmock/gmock.h>
#include <sys/mman.h>
#include <unistd.h>

#include <deque>

#include "migrator/base/error.h"
#include "migrator/core/wire_writer.h"
#include "migrator/link/peer_memory.h"
#include "migrator/link/same_host_link.h"
#include "tests/support/sanitizer.h"

namespace cardswap {
namespace {

using Bytes = std::vector<std::byte>;
using Clock = std::chrono::steady_clock;
using ::testing::HasSubstr;
using namespace std::chrono_literals;

constexpr std::size_t kMiB = 1U << 20U;
constexpr std::uint8_t kMark = 0xE6;
constexpr std::uint8_t kClaim = 0;
constexpr std::uint8_t kOffer = 2;
constexpr std::uint8_t kYes = 1;

Bytes bytes(std::string_view text) {
  const auto raw = std::as_bytes(std::span(text));
  return {raw.begin(), raw.end()};
}

std::uint64_t address_of(std::span<const std::byte> memory) {
  return reinterpret_cast<std::uintptr_t>(memory.data());
}

/// An engine that notes what it is told, and admits whoever says "token".
struct Heard final : LinkListener {
  void on_control(LinkId from, std::span<const std::byte> message) override {
    peer = from;
    control.emplace_back(message.begin(), message.end());
    if (link != nullptr && control.back() == bytes("token")) link->admit(from);
  }
  std::span<std::byte> reserve(LinkId, std::span<const std::byte> header,
                               std::size_t size) override {
    if (size > 64 * kMiB) throw Error(Code::bad_request, "nobody asked for so much");
    headers.emplace_back(header.begin(), header.end());
    return payloads.emplace_back(size);
  }
  void on_received(LinkId, std::span<const std::byte> header, std::size_t) override {
    landed.emplace_back(header.begin(), header.end());
  }
  void on_lost(LinkId, std::string_view why) override { lost = why; }
  [[nodiscard]] bool admits() const override { return link != nullptr; }

  Link* link = nullptr;
  LinkId peer{};
  std::vector<Bytes> control;
  std::vector<Bytes> headers;
  std::deque<Bytes> payloads;
  std::vector<Bytes> landed;
  std::string lost;
};

class SameHostLinkTest : public ::testing::Test {
 protected:
  SameHostLinkTest() {
    target_ = std::make_unique<SameHostLink>(
        SameHostLink::End::reads, at_target_,
        [](LinkListener& events) { return listen_bare_link("127.0.0.1", {"tcp"}, events); });
    at_target_.link = target_.get();
  }
  void connect() {
    auto source = std::make_unique<SameHostLink>(
        SameHostLink::End::is_read, at_source_, [this](LinkListener& events) {
          return connect_bare_link("127.0.0.1", target_->port(), {"tcp"}, events);
        });
    same_host_ = source.get();
    source_ = std::move(source);
    source_->send_control(kServer, bytes("token"));
  }
  /// One that says what it likes, once it was admitted.
  void connect_liar() {
    source_ = connect_bare_link("127.0.0.1", target_->port(), {"tcp"}, at_source_);
    source_->send_control(kServer, bytes("token"));
    ASSERT_TRUE(within([&] { return at_target_.control.size() == 1; }));
  }
  /// Once this came back each side knows of the other what it will know.
  void exchange_words() {
    source_->send_control(kServer, bytes("hello"));
    ASSERT_TRUE(within([&] { return at_target_.control.size() == 2; }));
    target_->send_control(at_target_.peer, bytes("welcome"));
    ASSERT_TRUE(within([&] { return !at_source_.control.empty(); }));
  }
  void claim(const Digest& host, std::int32_t pid, const Proof& at, const Proof& said) {
    source_->send_control(kServer, std::move(wire::WireWriter()
                                                 .u8(kMark)
                                                 .u8(kClaim)
                                                 .digest(host)
                                                 .u32(static_cast<std::uint32_t>(pid))
                                                 .u64(address_of(at))
                                                 .raw(said))
                                       .take());
  }
  void offer(std::uint64_t number, std::uint64_t address, std::uint64_t size) {
    source_->send_control(
        kServer,
        std::move(wire::WireWriter().u8(kMark).u8(kOffer).u64(number).u64(address).u64(size).blob(
                      bytes("header")))
            .take());
  }
  bool answered(bool yes) {
    const Bytes answer{std::byte{kMark}, std::byte{1}, std::byte{yes ? kYes : std::uint8_t{0}}};
    return within([&] { return !at_source_.control.empty(); }) &&
           at_source_.control.back() == answer;
  }
  [[nodiscard]] bool idle() const { return source_->payloads_in_flight() == 0; }
  template <class Condition>
  bool within(Condition condition) {
    const auto until = Clock::now() + 10s * test::kPatience;
    while (!condition() && Clock::now() < until) {
      target_->wait(Clock::now() + 1ms);
      source_->wait(Clock::now() + 1ms);
    }
    return condition();
  }

  const Bytes payload_ = Bytes(kMiB, std::byte{1});
  Heard at_target_;
  Heard at_source_;
  std::unique_ptr<SameHostLink> target_;
  std::unique_ptr<Link> source_;
  SameHostLink* same_host_ = nullptr;  // source_, where it is one
};

TEST_F(SameHostLinkTest, ReadsPayloadsOutOfTheSendersMemory) {
  connect();
  exchange_words();
  std::vector<Bytes> payloads;
  for (int i = 0; i < 20; ++i) payloads.emplace_back(kMiB + 13, static_cast<std::byte>(i));
  const auto owner = std::make_shared<int>();
  for (const auto& payload : payloads)
    source_->send_payload(kServer, bytes("header"), payload, owner);
  EXPECT_EQ(source_->payloads_in_flight(), payloads.size());
  ASSERT_TRUE(within([&] { return at_target_.landed.size() == payloads.size() && idle(); }));
  for (std::size_t i = 0; i < payloads.size(); ++i) {
    EXPECT_EQ(at_target_.payloads[i], payloads[i]) << i;
    EXPECT_EQ(at_target_.headers[i], bytes("header"));
  }
  EXPECT_EQ(owner.use_count(), 1) << "what was read is nobody's any more";
  EXPECT_EQ(target_->passed_by_memory(), payloads.size());
  EXPECT_EQ(same_host_->passed_by_memory(), payloads.size());
  EXPECT_EQ(at_target_.lost + at_source_.lost, "");
}

TEST_F(SameHostLinkTest, CarriesSmallPayloadsAndControlOverTheLine) {
  connect();
  exchange_words();
  const Bytes small(1000, std::byte{7});
  source_->send_payload(kServer, bytes("small"), small);
  source_->send_control(kServer, bytes("words"));
  ASSERT_TRUE(within([&] { return at_target_.landed.size() == 1 && idle(); }));
  EXPECT_EQ(at_target_.payloads.back(), small);
  EXPECT_EQ(at_target_.control.back(), bytes("words"));
  EXPECT_EQ(target_->passed_by_memory(), 0U);
}

TEST_F(SameHostLinkTest, CarriesOverTheLineWhatCannotBeRead) {
  connect();
  exchange_words();
  auto* page = static_cast<std::byte*>(
      ::mmap(nullptr, kMiB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  ASSERT_NE(page, MAP_FAILED);
  std::fill_n(page, kMiB, std::byte{9});
  ASSERT_EQ(::mprotect(page, kMiB, PROT_NONE), 0);
  source_->send_payload(kServer, bytes("hidden"), std::span(page, kMiB));
  const auto until = Clock::now() + 10s * test::kPatience;
  while (at_target_.headers.empty() && Clock::now() < until) {
    target_->wait(Clock::now() + 1ms);
  }
  ASSERT_EQ(::mprotect(page, kMiB, PROT_READ), 0);
  ASSERT_TRUE(within([&] { return at_target_.landed.size() == 1 && idle(); }));
  EXPECT_EQ(at_target_.landed.back(), bytes("hidden"));
  EXPECT_EQ(at_target_.payloads.back(), Bytes(page, page + kMiB));
  EXPECT_EQ(at_target_.headers.size(), 1U) << "it was given a place once";
  source_->send_payload(kServer, bytes("next"), payload_);
  ASSERT_TRUE(within([&] { return at_target_.landed.size() == 2 && idle(); }));
  EXPECT_EQ(target_->passed_by_memory(), 0U) << "it is not tried again";
  EXPECT_EQ(at_target_.lost + at_source_.lost, "");
  ::munmap(page, kMiB);
}

TEST_F(SameHostLinkTest, LetsGoOfWhatIsOfferedWhenThePeerIsLost) {
  connect();
  exchange_words();
  const auto owner = std::make_shared<int>();
  source_->send_payload(kServer, bytes("header"), payload_, owner);
  EXPECT_EQ(source_->payloads_in_flight(), 1U);
  source_->drop(kServer);
  EXPECT_TRUE(idle());
  EXPECT_EQ(owner.use_count(), 1);
}

TEST_F(SameHostLinkTest, BelievesAProofAndNothingElse) {
  const auto host = host_of_this_process();
  ASSERT_TRUE(host);
  const auto proof = draw_proof();
  const auto other = draw_proof();
  connect_liar();
  auto elsewhere = *host;
  elsewhere.bytes[0] ^= 1;
  claim(elsewhere, ::getpid(), proof, proof);
  EXPECT_TRUE(answered(false)) << "another host";
  at_source_.control.clear();
  claim(*host, ::getpid(), proof, other);
  EXPECT_TRUE(answered(false)) << "another number is there";
  at_source_.control.clear();
  claim(*host, 1U << 30U, proof, proof);
  EXPECT_TRUE(answered(false)) << "no such process";
  at_source_.control.clear();
  claim(*host, -::getpid(), proof, proof);
  EXPECT_TRUE(answered(false)) << "no process at all";
  at_source_.control.clear();
  claim(*host, ::getpid(), proof, proof);
  EXPECT_TRUE(answered(true));
  EXPECT_EQ(at_target_.lost, "");
}

TEST_F(SameHostLinkTest, ReadsNobodysMemoryBeforeAToken) {
  source_ = connect_bare_link("127.0.0.1", target_->port(), {"tcp"}, at_source_);
  const auto proof = draw_proof();
  claim(host_of_this_process().value_or(Digest{}), ::getpid(), proof, proof);
  source_->send_control(kServer, bytes("token"));
  ASSERT_TRUE(within([&] { return at_target_.control.size() == 1; }));
  target_->send_control(at_target_.peer, bytes("welcome"));
  ASSERT_TRUE(within([&] { return !at_source_.control.empty(); }));
  EXPECT_EQ(at_source_.control, std::vector<Bytes>{bytes("welcome")})
      << "what it said before is nothing";
}

TEST_F(SameHostLinkTest, ReadsNothingOfWhoHasProvedNothing) {
  connect_liar();
  offer(0, address_of(payload_), payload_.size());
  ASSERT_TRUE(within([&] { return !at_target_.lost.empty(); }));
  EXPECT_THAT(at_target_.lost, HasSubstr("not known to be this peer's"));
  EXPECT_TRUE(at_target_.headers.empty());
}

class WhoHasProvedIt : public SameHostLinkTest {
 protected:
  void SetUp() override {
    connect_liar();
    claim(host_of_this_process().value_or(Digest{}), ::getpid(), proof_, proof_);
    ASSERT_TRUE(answered(true));
  }
  const Proof proof_ = draw_proof();
};

TEST_F(WhoHasProvedIt, IsLostForAnOfferThatDoesNotCome) {
  offer(1, address_of(payload_), payload_.size());
  ASSERT_TRUE(within([&] { return !at_target_.lost.empty(); }));
  EXPECT_THAT(at_target_.lost, HasSubstr("another order"));
}

TEST_F(WhoHasProvedIt, IsLostForMoreThanTheEngineAskedFor) {
  offer(0, address_of(payload_), 1ULL << 60U);
  ASSERT_TRUE(within([&] { return !at_target_.lost.empty(); }));
  EXPECT_THAT(at_target_.lost, HasSubstr("nobody asked for so much"));
}

TEST_F(WhoHasProvedIt, IsLostForAPayloadThatWasNotMissed) {
  offer(0, address_of(payload_), payload_.size());
  const auto header = std::move(wire::WireWriter().u8(kMark).u64(0)).take();
  source_->send_payload(kServer, header, payload_);
  ASSERT_TRUE(within([&] { return !at_target_.lost.empty(); }));
  EXPECT_THAT(at_target_.lost, HasSubstr("was not missed"));
}

TEST_F(WhoHasProvedIt, IsLostForAPayloadOfAnotherSizeThanItOffered) {
  offer(0, 4096, 2 * kMiB);  // where nothing is
  ASSERT_TRUE(within([&] { return at_source_.control.size() == 2; })) << "it was missed";
  const auto header = std::move(wire::WireWriter().u8(kMark).u64(0)).take();
  source_->send_payload(kServer, header, payload_);
  ASSERT_TRUE(within([&] { return !at_target_.lost.empty(); }));
  EXPECT_THAT(at_target_.lost, HasSubstr("was not missed"));
}

TEST(SharedMemory, IsUsedWhereTheTransportsHaveIt) {
  EXPECT_TRUE(may_share_memory("all"));
  EXPECT_TRUE(may_share_memory("tcp,cma"));
  EXPECT_TRUE(may_share_memory("sm,tcp@eth0"));
  EXPECT_TRUE(may_share_memory("^rc"));
  EXPECT_FALSE(may_share_memory("tcp"));
  EXPECT_FALSE(may_share_memory("tcp@eth0"));
  EXPECT_FALSE(may_share_memory("^sm"));
  EXPECT_FALSE(may_share_memory("^rc,shm@eth0"));
}

TEST(PeerMemories, AreReadWholeOrNotAtAll) {
  const auto proof = draw_proof();
  const PeerMemory memory(::getpid(), address_of(proof), proof);
  const Bytes there(3 * kMiB, std::byte{5});
  Bytes here(there.size());
  EXPECT_TRUE(memory.is_there());
  EXPECT_TRUE(memory.read(address_of(there), here));
  EXPECT_EQ(here, there);
  EXPECT_FALSE(memory.read(4096, here));
}

TEST(PeerMemories, AreNotReadOnceTheProofIsGone) {
  auto proof = draw_proof();
  const PeerMemory memory(::getpid(), address_of(proof), proof);
  const Bytes there(kMiB, std::byte{5});
  Bytes here(there.size());
  EXPECT_TRUE(memory.read(address_of(there), here));
  proof[0] ^= std::byte{1};
  EXPECT_FALSE(memory.read(address_of(there), here)) << "another process has its number now";
  EXPECT_FALSE(memory.is_there());
}

}  // namespace
}  // namespace cardswap
