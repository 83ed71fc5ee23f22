#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/socket.h>

#include <array>

#include "migrator/device/memfd_arena.h"
#include "runtime/holder/held_memory.h"
#include "runtime/memory_socket.h"
#include "runtime/passed_arena.h"
#include "tests/support/wire_bytes.h"

namespace cardswap {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;
using Clock = std::chrono::steady_clock;

std::shared_ptr<Device> no_card(int) { throw Error(Code::refused, "there is no card"); }

Region head(std::uint64_t address, std::uint64_t bytes = 64) {
  return {"cpu", kArenaHead, "", bytes, address};
}

Layout at(std::uint64_t address, std::uint64_t bytes) { return Layout({head(address, bytes)}); }

/// Addresses that are free now.
std::uint64_t some_address() { return MemfdArena::reserve()->base(); }

TEST(HeldMemory, MapsWhatALayoutNeedsAndKeepsItWhenItGrows) {
  const auto base = some_address();
  HeldMemory held(no_card);
  const auto small = held.adopt(Layout({head(base), {"w", "Float", "[2]", 8, base + 8192}}));
  auto passed = held.passed();
  ASSERT_EQ(passed.size(), 1U);
  EXPECT_EQ(passed[0].base, base);
  ASSERT_EQ(passed[0].pieces.size(), 1U);
  EXPECT_EQ(passed[0].pieces[0].bytes, 3 * 4096U);
  small.memory[1][7] = std::byte{5};
  const auto large = held.adopt(Layout({head(base),
                                        {"w", "Float", "[2]", 8, base + 8192},
                                        {"v", "Float", "[]", 1 << 20, base + 16384}}));
  EXPECT_EQ(large.memory[1][7], std::byte{5});
  large.memory[2].back() = std::byte{6};
  passed = held.passed();
  EXPECT_NO_THROW(check_arena_file(passed[0].pieces[0].file, passed[0].pieces[0].bytes));
}

TEST(HeldMemory, SaysWhichAddressesAreTaken) {
  const auto arena = MemfdArena::reserve();
  HeldMemory held(no_card);
  try {
    (void)held.adopt(at(arena->base(), 100));
    FAIL() << "it mapped over something";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Code::refused);
    EXPECT_THAT(error.failure(), HasSubstr("cannot be mapped on this host"));
  }
}

TEST(HeldMemory, RefusesRegionsThatNoArenaHas) {
  const auto base = some_address();
  for (const auto& layout :
       {Layout(), at(0, 8), at(4096, 8), at(base, 0), at(base, 1ULL << 50), at(UINT64_MAX - 10, 8),
        at(UINT64_MAX - 4096, 4000), Layout({{"a", "", "", 100, base}}),
        Layout({head(base, 100), {"b", "", "", 100, base + 99}}),
        Layout({head(base, 100), {"b", "", "", 100, base - 4096}}),
        Layout({head(base, 100), {"b", "", "", 100, base + (2ULL << 40)}}),
        Layout({head(base, 100), {"b", "", "", 100, 0}}),
        Layout({{"gpu", kArenaHead, "", 64, base}}), Layout({{"cuda:", kArenaHead, "", 64, base}}),
        Layout({{"cuda:-1", kArenaHead, "", 64, base}}),
        Layout({{"cuda:1x", kArenaHead, "", 64, base}})}) {
    HeldMemory held(no_card);
    EXPECT_THROW((void)held.adopt(layout), Error);
  }
  HeldMemory held(no_card);
  (void)held.adopt(at(base, 100));
  EXPECT_THROW((void)held.adopt(at(base + 4096, 100)), Error) << "it moved";
  EXPECT_THROW(
      (void)held.adopt(Layout({head(base), {"cuda:0", kArenaHead, "", 64, base + (1ULL << 40)}})),
      Error)
      << "there is no card";
}

std::vector<memory_transfer::Message> one_of_each() {
  using namespace memory_transfer;
  return {Keep{{{"cpu", 1, {2}}, {"cuda:0", 3, {4, 5}}}},
          Kept{},
          Fetch{"m", "token"},
          Memory{{{"cpu", 1, {2}}}, Digest{{3}}, 4, 5, 6, 7},
          Done{},
          Refused{Code::io, "no", "look"},
          Files{}};
}

TEST(HandOver, HasTheBytesOfItsRelease) {
  test::expect_wire_bytes(
      one_of_each(), WIRE_BYTES "/memory_handoff.txt",
      [](const memory_transfer::Message& message) { return memory_transfer::encode(message); });
}

TEST(HandOver, ReadsEveryMessageAsItWasWrittenAndNoneThatWasCut) {
  const auto messages = one_of_each();
  ASSERT_EQ(messages.size(), std::variant_size_v<memory_transfer::Message>);
  for (const auto& message : messages) {
    auto packet = memory_transfer::encode(message);
    EXPECT_EQ(memory_transfer::decode(packet), message);
    for (std::size_t size = 0; size < packet.size(); ++size) {
      EXPECT_THROW((void)memory_transfer::decode(std::span(packet).first(size)), Error);
    }
    packet.push_back(std::byte{0});
    EXPECT_THROW((void)memory_transfer::decode(packet), Error);
  }
  const std::array unknown{std::byte{8}};
  EXPECT_THROW((void)memory_transfer::decode(unknown), Error);
}

TEST(HandOver, RefusesMorePiecesThanCanBePassed) {
  EXPECT_THROW((void)memory_transfer::decode(memory_transfer::encode(
                   memory_transfer::Keep{{{"cpu", 1, std::vector<std::uint64_t>(1025, 1)}}})),
               Error);
  std::vector<memory_transfer::PassedArena> arenas(1);
  arenas[0].pieces.resize(1025);
  EXPECT_THROW((void)memory_transfer::outlines_of(arenas), Error);
}

struct Pair {
  Pair() {
    std::array<int, 2> ends{};
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends.data()), 0);
    one.emplace(Descriptor(ends[0]));
    two.emplace(Descriptor(ends[1]));
  }
  std::optional<memory_transfer::Connection> one;
  std::optional<memory_transfer::Connection> two;
};

TEST(HandOver, PassesEveryFileInOrder) {
  Pair pair;
  constexpr std::size_t kCount = 300;  // more than the kernel passes at once
  std::vector<memory_transfer::PassedArena> arenas(2);
  arenas[0] = {"cpu", 8, {}};
  arenas[1] = {"cuda:0", 16, {}};
  for (std::size_t i = 0; i < kCount; ++i) {
    arenas[i == 0 ? 0 : 1].pieces.push_back({make_arena_file(4096 * (i + 1)), 4096 * (i + 1)});
  }
  pair.one->send(memory_transfer::Keep{memory_transfer::outlines_of(arenas)},
                 memory_transfer::files_of(arenas));
  auto received = pair.two->receive(Clock::now() + 5s);
  ASSERT_TRUE(received);
  ASSERT_EQ(received->files.size(), kCount);
  const auto keep = std::get<memory_transfer::Keep>(received->message);
  const auto got = memory_transfer::arenas_from(keep.arenas, std::move(received->files));
  ASSERT_EQ(got.size(), 2U);
  EXPECT_EQ(got[1].device, "cuda:0");
  ASSERT_EQ(got[1].pieces.size(), kCount - 1);
  for (std::size_t i = 1; i < kCount; ++i) {
    const auto& piece = got[1].pieces[i - 1];
    EXPECT_EQ(piece.bytes, 4096 * (i + 1));
    EXPECT_NO_THROW(check_arena_file(piece.file, piece.bytes));
    EXPECT_NE(::fcntl(piece.file.get(), F_GETFD) & FD_CLOEXEC, 0);
  }
}

TEST(HandOver, ExpectsAFileForEachPieceAndDropsTheRest) {
  Pair pair;
  const auto file = make_arena_file(4096);
  const std::array files{file.get(), file.get()};
  pair.one->send(memory_transfer::Keep{{{"cpu", 8, {4096}}}}, files);
  EXPECT_EQ(pair.two->receive(Clock::now() + 5s)->files.size(), 1U);
  pair.one->send(memory_transfer::Kept{}, files);
  EXPECT_TRUE(pair.two->receive(Clock::now() + 5s)->files.empty());
  pair.one->send(memory_transfer::Keep{{{"cpu", 8, {4096, 4096}}}}, {files.data(), 1});
  pair.one->send(memory_transfer::Kept{});
  EXPECT_THROW((void)pair.two->receive(Clock::now() + 5s), Error);
  pair.one->send(memory_transfer::Keep{{{"cpu", 8, {4096}}}});
  EXPECT_FALSE(pair.two->receive(Clock::now() + 10ms)) << "its file never came";
  EXPECT_FALSE(pair.one->receive(Clock::now() + 10ms)) << "nothing was sent";
  pair.one->send(memory_transfer::Refused{Code::refused, std::string(100'000, 'x'), ""});
  EXPECT_TRUE(pair.two->receive(Clock::now() + 5s)) << "a long text is cut, not a packet too large";
}

}  // namespace
}  // namespace cardswap
