#include "migrator/device/memfd_arena.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/mman.h>

#include <cstring>
#include <fstream>
#include <string>

#include "migrator/base/error.h"

namespace cardswap {
namespace {

/// The permissions of the mapping that begins at `address`, and whether it is an arena's file.
std::string mapping_at(std::uint64_t address) {
  std::ifstream maps("/proc/self/maps");
  for (std::string line; std::getline(maps, line);) {
    if (std::stoull(line, nullptr, 16) != address) continue;
    const auto permissions = line.substr(line.find(' ') + 1, 4);
    return line.find("cardswap-arena") == std::string::npos ? permissions : permissions + " file";
  }
  return "nothing";
}

std::vector<ArenaPiece> one_piece(Descriptor file, std::uint64_t bytes) {
  std::vector<ArenaPiece> pieces;
  pieces.push_back({std::move(file), bytes});
  return pieces;
}

std::uint64_t address_of(const std::byte* byte) { return reinterpret_cast<std::uint64_t>(byte); }

TEST(MemfdArena, ReservesAnotherPlaceEachTime) {
  const auto one = MemfdArena::reserve();
  const auto two = MemfdArena::reserve();
  EXPECT_NE(one->base(), two->base());
  EXPECT_EQ(mapping_at(one->base()), "---p");
  EXPECT_FALSE(one->is_bound());
}

TEST(MemfdArena, GivesAlignedBlocksThatDoNotOverlap) {
  const auto arena = MemfdArena::reserve();
  std::vector<std::shared_ptr<std::span<std::byte>>> blocks;
  for (const std::uint64_t bytes : {0U, 1U, 64U, 100U, 5'000'000U, 40'000'000U}) {
    const auto block = arena->allocate(bytes);
    ASSERT_EQ(block->size(), bytes);
    EXPECT_EQ(address_of(block->data()) % 64, 0U);
    if (!blocks.empty()) {
      EXPECT_GE(block->data(), blocks.back()->data() + blocks.back()->size());
    }
    if (bytes > 0) {
      std::memset(block->data(), static_cast<int>(blocks.size()), bytes);
      EXPECT_TRUE(arena->contains(*block));
    }
    blocks.push_back(block);
  }
  for (std::size_t i = 1; i < blocks.size(); ++i) {
    EXPECT_EQ(blocks[i]->front(), std::byte(i));
    EXPECT_EQ(blocks[i]->back(), std::byte(i));
  }
  std::vector<std::byte> other(64);
  EXPECT_FALSE(arena->contains(other));
  EXPECT_FALSE(arena->contains(arena->head()));
}

TEST(MemfdArena, TakesBackWhatNobodyUses) {
  const auto arena = MemfdArena::reserve();
  auto first = arena->allocate(1 << 20);
  const auto second = arena->allocate(1 << 20);
  const auto* place = first->data();
  first.reset();
  EXPECT_EQ(arena->allocate(1 << 19)->data(), place);
  EXPECT_EQ(arena->allocate(1 << 20)->data(), place) << "two neighbours that are free are one";
  const auto bytes = arena->bytes();
  for (int i = 0; i < 200; ++i) (void)arena->allocate(4 << 20);
  EXPECT_EQ(arena->bytes(), bytes);
}

TEST(MemfdArena, RefusesMoreThanThereAreAddresses) {
  const auto arena = MemfdArena::reserve();
  try {
    (void)arena->allocate(~0ULL);
    FAIL() << "all of memory was given";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Code::refused);
    EXPECT_THAT(error.failure(), ::testing::HasSubstr("are needed"));
  }
  EXPECT_EQ(arena->allocate(8)->size(), 8U);
}

TEST(MemfdArena, KeepsItsAddressesWhileItsFileIsElsewhere) {
  const auto arena = MemfdArena::reserve();
  const auto block = arena->allocate(100'000);
  std::memset(block->data(), 7, block->size());
  auto elsewhere = arena->pieces();
  arena->unbind();
  EXPECT_FALSE(arena->is_bound());
  EXPECT_EQ(mapping_at(arena->base()), "---p");

  arena->bind(std::move(elsewhere), arena->base());
  EXPECT_EQ(mapping_at(arena->base()), "rw-s file");
  EXPECT_EQ(block->front(), std::byte{7});
  EXPECT_EQ(block->back(), std::byte{7});
  const auto more = arena->allocate(20 << 20);
  std::memset(more->data(), 1, more->size());
}

TEST(MemfdArena, TakesACopyOfItsFileThatEndsAtTheLastBlock) {
  const auto arena = MemfdArena::reserve();
  const auto block = arena->allocate(3 * 4096);
  std::memset(block->data(), 9, block->size());
  constexpr std::uint64_t kCopied = 5 * 4096;
  auto copy = make_arena_file(kCopied);
  ASSERT_EQ(::pwrite(copy.get(), arena->head().data(), kCopied, 0), kCopied);
  arena->unbind();
  arena->bind(one_piece(std::move(copy), kCopied), arena->base());
  EXPECT_EQ(block->back(), std::byte{9});
}

TEST(MemfdArena, RefusesAFileThatIsNotItsOwn) {
  const auto arena = MemfdArena::reserve();
  const auto block = arena->allocate(4096);
  const auto bytes = arena->bytes();
  arena->unbind();
  const auto bind = [&](Descriptor file, std::uint64_t base, std::uint64_t size) {
    arena->bind(one_piece(std::move(file), size), base);
  };
  EXPECT_THROW(bind(make_arena_file(bytes), arena->base() + 4096, bytes), Error);
  EXPECT_THROW(bind(make_arena_file(2 * bytes), arena->base(), 2 * bytes), Error);
  EXPECT_THROW(bind(make_arena_file(4096), arena->base(), bytes), Error);
  EXPECT_THROW(bind(Descriptor(::memfd_create("other", MFD_CLOEXEC)), arena->base(), 4096), Error)
      << "it can shrink";
  EXPECT_THROW(bind(Descriptor(::open("/dev/null", O_RDWR)), arena->base(), 4096), Error);
  EXPECT_THROW(arena->bind({}, arena->base()), Error);
  EXPECT_FALSE(arena->is_bound());
  bind(make_arena_file(bytes), arena->base(), bytes);
  EXPECT_EQ(block->front(), std::byte{0});
}

TEST(MemfdArena, HoldsWhatIsReceivedWhereItHasToBe) {
  const auto base = MemfdArena::reserve()->base();
  const auto arena = MemfdArena::reserve_at(base, 10'000);
  arena->ensure_bytes(10'000);
  EXPECT_EQ(arena->bytes(), 3 * 4096U) << "and no more";
  arena->head().data()[9'999] = std::byte{5};
  arena->ensure_bytes(20'000);
  EXPECT_EQ(arena->head().data()[9'999], std::byte{5});
  try {
    (void)MemfdArena::reserve_at(base, 4096);
    FAIL() << "it mapped over something";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Code::refused);
    EXPECT_THAT(error.failure(), ::testing::HasSubstr("cannot be mapped on this host"));
  }
}

TEST(MemfdArena, LivesAsLongAsItsLastBlock) {
  auto arena = MemfdArena::reserve();
  auto block = arena->allocate(10);
  const auto base = arena->base();
  arena.reset();
  block->front() = std::byte{1};
  EXPECT_EQ(mapping_at(base), "rw-s file");
  block.reset();
  EXPECT_EQ(mapping_at(base), "nothing");
}

}  // namespace
}  // namespace cardswap
