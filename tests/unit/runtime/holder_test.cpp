#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/socket.h>

#include <array>

#include "runtime/arena.h"
#include "runtime/hand_over.h"
#include "runtime/holder/held_range.h"

namespace cardswap {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;
using Clock = std::chrono::steady_clock;

Layout at(std::uint64_t address, std::uint64_t bytes) {
  return Layout({{"arena", "bytes", "", bytes, address}});
}

/// Addresses that are free now.
std::uint64_t some_address() { return Arena::reserve()->base(); }

TEST(HeldRange, MapsWhatALayoutNeedsAndKeepsItWhenItGrows) {
  const auto base = some_address();
  HeldRange range;
  const auto small = range.adopt(
      Layout({{"arena", "bytes", "", 64, base}, {"w", "Float", "[2]", 8, base + 8192}}));
  EXPECT_EQ(range.base(), base);
  EXPECT_EQ(range.bytes(), 3 * 4096U);
  small.memory[1][7] = std::byte{5};
  const auto large = range.adopt(Layout({{"arena", "bytes", "", 64, base},
                                         {"w", "Float", "[2]", 8, base + 8192},
                                         {"v", "Float", "[]", 1 << 20, base + 16384}}));
  EXPECT_EQ(large.memory[1][7], std::byte{5});
  large.memory[2].back() = std::byte{6};
  EXPECT_NO_THROW(
      check_arena_file(Descriptor(::fcntl(range.file(), F_DUPFD_CLOEXEC, 0)), range.bytes()));
}

TEST(HeldRange, SaysWhichAddressesAreTaken) {
  const auto arena = Arena::reserve();
  HeldRange range;
  try {
    (void)range.adopt(at(arena->base(), 100));
    FAIL() << "it mapped over something";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Code::refused);
    EXPECT_THAT(error.failure(), HasSubstr("cannot be mapped on this host"));
  }
}

TEST(HeldRange, RefusesRegionsThatNoArenaHas) {
  const auto base = some_address();
  for (const auto& layout :
       {Layout(), at(0, 8), at(4096, 8), at(base, 0), at(base, 1ULL << 50), at(UINT64_MAX - 10, 8),
        at(UINT64_MAX - 4096, 4000),
        Layout({{"a", "", "", 100, base}, {"b", "", "", 100, base + 99}}),
        Layout({{"a", "", "", 100, base}, {"b", "", "", 100, base + (2ULL << 40)}}),
        Layout({{"a", "", "", 100, base}, {"b", "", "", 100, 0}})}) {
    HeldRange range;
    EXPECT_THROW((void)range.adopt(layout), Error);
  }
  HeldRange range;
  (void)range.adopt(at(base, 100));
  EXPECT_THROW((void)range.adopt(at(base + 4096, 100)), Error) << "it moved";
}

std::vector<hand_over::Message> one_of_each() {
  using namespace hand_over;
  return {Keep{1, 2},
          Kept{},
          Fetch{"m", "token"},
          Memory{1, 2, Digest{{3}}, 4, 5, 6, 7},
          Done{},
          Refusal{Code::io, "no", "look"}};
}

TEST(HandOver, ReadsEveryMessageAsItWasWrittenAndNoneThatWasCut) {
  const auto messages = one_of_each();
  ASSERT_EQ(messages.size(), std::variant_size_v<hand_over::Message>);
  for (const auto& message : messages) {
    auto packet = hand_over::encode(message);
    EXPECT_EQ(hand_over::decode(packet), message);
    for (std::size_t size = 0; size < packet.size(); ++size) {
      EXPECT_THROW((void)hand_over::decode(std::span(packet).first(size)), Error);
    }
    packet.push_back(std::byte{0});
    EXPECT_THROW((void)hand_over::decode(packet), Error);
  }
  const std::array unknown{std::byte{7}};
  EXPECT_THROW((void)hand_over::decode(unknown), Error);
}

TEST(HandOver, PassesOneFileAndDropsTheRest) {
  std::array<int, 2> ends{};
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends.data()), 0);
  hand_over::Connection one{Descriptor(ends[0])};
  hand_over::Connection two{Descriptor(ends[1])};
  const auto file = make_arena_file(4096);
  one.send(hand_over::Keep{8, 4096}, file.fd());
  const auto received = two.receive(Clock::now() + 5s);
  ASSERT_TRUE(received);
  EXPECT_NO_THROW(check_arena_file(received->file, 4096));
  EXPECT_NE(::fcntl(received->file.fd(), F_GETFD) & FD_CLOEXEC, 0);

  two.send(hand_over::Kept{});
  EXPECT_FALSE(one.receive(Clock::now() + 5s)->file);
  EXPECT_FALSE(one.receive(Clock::now() + 10ms)) << "nothing was sent";
  one.send(hand_over::Refusal{Code::refused, std::string(100'000, 'x'), ""});
  EXPECT_TRUE(two.receive(Clock::now() + 5s)) << "a long text is cut, not a packet too large";
}

}  // namespace
}  // namespace cardswap
