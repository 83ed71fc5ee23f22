/// An arena on a card, over the stand-ins: whose memory crashes the host that touches it.

#include "cuda/vmm_arena.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <unistd.h>

#include <cstring>
#include <fstream>

#include "cuda/cuda_device.h"
#include "migrator/base/error.h"
#include "migrator/device/staging.h"
#include "tests/stand_ins/vmm/vmm.h"
#include "tests/support/needs.h"
#include "tests/support/sanitizer.h"

namespace cardswap {
namespace {

using cuda::Status;
using cuda::VmmArena;
using ::testing::AllOf;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr std::uint64_t kMiB = 1U << 20U;
constexpr std::uint64_t kCapacity = 1024 * kMiB;

/// Permissions of everything that is mapped in a range.
std::vector<std::string> permissions(std::uint64_t first, std::uint64_t last) {
  std::vector<std::string> found;
  std::ifstream maps("/proc/self/maps");
  for (std::string line; std::getline(maps, line);) {
    const auto from = std::stoull(line, nullptr, 16);
    const auto to = std::stoull(line.substr(line.find('-') + 1), nullptr, 16);
    if (from < last && to > first) found.push_back(line.substr(line.find(' ') + 1, 4));
  }
  return found;
}

class VmmArenaTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (test::kThreadSanitizer) return test::skip_without("unsanitized", test::kNoAddresses);
  }
  ~VmmArenaTest() override {
    EXPECT_EQ(vmm_->leaks(), "");
    EXPECT_EQ(card_->leaks(), "");
  }
  std::shared_ptr<VmmArena> reserve(std::uint64_t base = 0) {
    return VmmArena::reserve({vmm_, 0}, {kCapacity, base, 4096}, make_room_);
  }
  std::byte& byte_at(std::span<std::byte> block, std::size_t i) {
    return *card_->behind(block.data() + i);
  }
  void fill(std::span<std::byte> block, int value) {
    std::memset(card_->behind(block.data()), value, block.size());
  }
  static Error error_of(const std::function<void()>& act) {
    try {
      act();
    } catch (const Error& error) {
      return error;
    }
    ADD_FAILURE() << "nothing was thrown";
    return {Code::internal, ""};
  }

  std::shared_ptr<test::StandInCudart> card_ = std::make_shared<test::StandInCudart>();
  std::shared_ptr<test::StandInVmm> vmm_ = std::make_shared<test::StandInVmm>(card_);
  std::function<void()> make_room_;
};

TEST_F(VmmArenaTest, ReservesAddressesAtAnotherPlaceEachTimeAndNothingElse) {
  const auto one = reserve();
  const auto two = reserve();
  EXPECT_NE(one->base(), two->base());
  EXPECT_FALSE(one->is_bound());
  EXPECT_EQ(one->bytes(), 0U);
  EXPECT_THAT(permissions(one->base(), one->base() + kCapacity), ElementsAre("---p"));
  EXPECT_THAT(vmm_->calls(),
              ElementsAre("cuMemGetAllocationGranularity", "cuMemAddressReserve 1073741824",
                          "cuMemGetAllocationGranularity", "cuMemAddressReserve 1073741824"));
}

TEST_F(VmmArenaTest, TriesOtherAddressesWhereItMayLieAnywhere) {
  vmm_->take_away_next_address();
  const auto arena = reserve();
  EXPECT_THAT(vmm_->calls(),
              ElementsAre("cuMemGetAllocationGranularity", "cuMemAddressReserve 1073741824",
                          "cuMemAddressFree 1073741824", "cuMemAddressReserve 1073741824"));
}

TEST_F(VmmArenaTest, NamesTheRangeThatIsTakenWhereItMustLie) {
  const auto there = reserve();
  const auto error = error_of([&] { (void)reserve(there->base()); });
  EXPECT_EQ(error.code(), Code::refused);
  EXPECT_THAT(error.failure(), HasSubstr(fmt::format(
                                   "addresses {:#x} to {:#x} cannot be reserved on cuda:0: "
                                   "something is there",
                                   there->base(), there->base() + test::StandInVmm::kGranularity)));
  EXPECT_EQ(error_of([&] { (void)reserve(there->base() + 4096); }).code(), Code::refused);
}

TEST_F(VmmArenaTest, GivesAlignedBlocksThatDoNotOverlapFromPiecesThatGrow) {
  const auto arena = reserve();
  std::vector<std::shared_ptr<std::span<std::byte>>> blocks;
  for (const std::uint64_t bytes :
       {std::uint64_t{0}, std::uint64_t{1}, std::uint64_t{512}, 60 * kMiB, 9 * kMiB, 100 * kMiB}) {
    const auto block = arena->allocate(bytes);
    ASSERT_EQ(block->size(), bytes);
    EXPECT_EQ(reinterpret_cast<std::uint64_t>(block->data()) % 512, 0U);
    if (!blocks.empty()) {
      EXPECT_GE(block->data(), blocks.back()->data() + blocks.back()->size());
    }
    if (bytes > 0) {
      EXPECT_TRUE(arena->contains(*block));
      fill(*block, static_cast<int>(blocks.size()));
    }
    blocks.push_back(block);
  }
  EXPECT_FALSE(arena->contains(arena->head()));
  for (std::size_t i = 1; i < blocks.size(); ++i) {
    EXPECT_EQ(byte_at(*blocks[i], 0), std::byte(i));
    EXPECT_EQ(byte_at(*blocks[i], blocks[i]->size() - 1), std::byte(i)) << "over a piece's end";
  }
  const auto pieces = arena->pieces();
  ASSERT_THAT(pieces, SizeIs(3));
  EXPECT_EQ(pieces[0].bytes, 64 * kMiB);
  EXPECT_EQ(pieces[0].bytes + pieces[1].bytes + pieces[2].bytes, arena->bytes());
}

TEST_F(VmmArenaTest, UsesABlockAgainOnlyWhenTheCardHasBeenAtRest) {
  const auto arena = reserve();
  auto first = arena->allocate(40 * kMiB);
  const auto* place = first->data();
  const auto stream = card_->program_stream();
  bool done = false;
  card_->work(stream, [&done] { done = true; });
  first.reset();
  const auto small = arena->allocate(kMiB);
  EXPECT_FALSE(done) << "there is other room";
  EXPECT_NE(small->data(), place);
  const auto again = arena->allocate(40 * kMiB);
  EXPECT_TRUE(done);
  EXPECT_EQ(again->data(), place);
  EXPECT_EQ(arena->bytes(), 64 * kMiB);
}

TEST_F(VmmArenaTest, MapsAndFreesInTheOrderThatTheDriverAsksFor) {
  {
    const auto arena = reserve();
    const auto block = arena->allocate(100);
    (void)vmm_->calls();
    const auto pieces = arena->pieces();
    arena->unbind();
    EXPECT_THAT(vmm_->calls(), ElementsAre("cuMemExportToShareableHandle", "cuCtxSynchronize",
                                           "cuMemUnmap 67108864", "cuMemRelease"));
    arena->unbind();
    EXPECT_THAT(vmm_->calls(), IsEmpty()) << "it is unbound";
  }
  EXPECT_THAT(vmm_->calls(), ElementsAre("cuMemAddressFree 1073741824"));
  { const auto block = reserve()->allocate(100); }
  EXPECT_THAT(vmm_->calls(),
              ElementsAre("cuMemGetAllocationGranularity", "cuMemAddressReserve 1073741824",
                          "cuMemCreate 67108864", "cuMemMap 67108864", "cuMemSetAccess 67108864",
                          "cuCtxSynchronize", "cuMemUnmap 67108864", "cuMemRelease",
                          "cuMemAddressFree 1073741824"))
      << "with its last block";
}

TEST_F(VmmArenaTest, KeepsItsAddressesWhileItsMemoryIsElsewhere) {
  const auto arena = reserve();
  const auto block = arena->allocate(100 * kMiB);
  const auto small = arena->allocate(1000);
  fill(*block, 7);
  fill(*small, 8);
  auto pieces = arena->pieces();
  const auto bytes = arena->bytes();
  for (const auto& piece : pieces) EXPECT_NE(::fcntl(piece.file.get(), F_GETFD) & FD_CLOEXEC, 0);
  arena->unbind();
  EXPECT_FALSE(arena->is_bound());
  EXPECT_THAT(permissions(arena->base(), arena->base() + kCapacity), Each("---p"));
  EXPECT_EQ(card_->behind(block->data()), block->data()) << "the card cannot reach it either";
  EXPECT_EQ(vmm_->leaks(), "1 reservations, 0 mappings, 0 handles");

  arena->bind(std::move(pieces), arena->base());
  EXPECT_EQ(arena->bytes(), bytes);
  EXPECT_EQ(byte_at(*block, 0), std::byte{7});
  EXPECT_EQ(byte_at(*block, 100 * kMiB - 1), std::byte{7});
  EXPECT_EQ(byte_at(*small, 999), std::byte{8});
  fill(*arena->allocate(50 * kMiB), 1);
}

TEST_F(VmmArenaTest, TakesPiecesThatWereCutElsewhere) {
  const auto arena = reserve();
  const auto block = arena->allocate(5 * kMiB);
  arena->unbind();
  std::vector<ArenaPiece> pieces;
  for (const auto bytes : {4 * kMiB, 2 * kMiB}) {
    const cuda::Allocation memory({vmm_, 0}, bytes);
    pieces.push_back({memory.export_file(), bytes});
  }
  ASSERT_EQ(::pwrite(pieces[1].file.get(), "x", 1, 0), 1);
  arena->bind(std::move(pieces), arena->base());
  EXPECT_EQ(arena->bytes(), 6 * kMiB);
  EXPECT_EQ(*card_->behind(arena->head().data() + 4 * kMiB), std::byte{'x'});
}

TEST_F(VmmArenaTest, RefusesPiecesThatAreNotItsOwn) {
  const auto arena = reserve();
  const auto block = arena->allocate(4096);
  auto pieces = arena->pieces();
  const auto bind = [&](std::uint64_t bytes, std::uint64_t base) {
    std::vector<ArenaPiece> others;
    others.push_back({Descriptor(::fcntl(pieces[0].file.get(), F_DUPFD_CLOEXEC, 0)), bytes});
    return error_of([&] { arena->bind(std::move(others), base); }).code();
  };
  EXPECT_EQ(bind(64 * kMiB, arena->base()), Code::bad_request) << "it is bound";
  arena->unbind();
  EXPECT_EQ(bind(64 * kMiB, arena->base() + 4096), Code::bad_request);
  EXPECT_EQ(bind(0, arena->base()), Code::bad_request);
  EXPECT_EQ(bind(4096, arena->base()), Code::bad_request);
  EXPECT_EQ(bind(2 * kCapacity, arena->base()), Code::bad_request);
  EXPECT_EQ(bind(128 * kMiB, arena->base()), Code::internal) << "more than the file has";
  EXPECT_EQ(error_of([&] { arena->bind({}, arena->base()); }).code(), Code::bad_request);
  EXPECT_FALSE(arena->is_bound());
  arena->bind(std::move(pieces), arena->base());
}

TEST_F(VmmArenaTest, AFailureLeavesNothingBehindAndNamesCallDeviceAndSize) {
  const auto arena = reserve();
  for (const auto* call : {"cuMemCreate", "cuMemMap", "cuMemSetAccess"}) {
    vmm_->fail(call, static_cast<Status>(700));
    const auto error = error_of([&] { (void)arena->allocate(100); });
    EXPECT_EQ(error.code(), Code::internal);
    EXPECT_THAT(error.failure(),
                HasSubstr(std::string(call) + " of 67108864 bytes on cuda:0: an error"));
    EXPECT_FALSE(arena->is_bound());
    EXPECT_EQ(vmm_->leaks(), "1 reservations, 0 mappings, 0 handles") << call;
  }
  const auto block = arena->allocate(100 * kMiB);
  auto pieces = arena->pieces();
  arena->unbind();
  for (const auto* call : {"cuMemImportFromShareableHandle", "cuMemMap", "cuMemSetAccess"}) {
    vmm_->fail(call, static_cast<Status>(700), 2);
    std::vector<ArenaPiece> copies;
    for (const auto& piece : pieces) {
      copies.push_back({Descriptor(::fcntl(piece.file.get(), F_DUPFD_CLOEXEC, 0)), piece.bytes});
      copies.push_back({Descriptor(::fcntl(piece.file.get(), F_DUPFD_CLOEXEC, 0)), piece.bytes});
    }
    EXPECT_THROW(arena->bind(std::move(copies), arena->base()), Error) << call;
    EXPECT_EQ(vmm_->leaks(), "1 reservations, 0 mappings, 0 handles") << call;
  }
}

TEST_F(VmmArenaTest, TakesLessAheadAndThenMakesRoomBeforeItGivesUp) {
  int asked = 0;
  make_room_ = [&] {
    if (++asked == 1) vmm_->limit(100 * kMiB);
  };
  vmm_->limit(4 * kMiB);
  const auto arena = reserve();
  const auto small = arena->allocate(kMiB);
  EXPECT_EQ(arena->bytes(), 2 * kMiB);
  EXPECT_EQ(asked, 0);
  const auto large = arena->allocate(50 * kMiB);
  EXPECT_EQ(asked, 1);
  const auto error = error_of([&] { (void)arena->allocate(90 * kMiB); });
  EXPECT_EQ(error.code(), Code::no_memory);
  EXPECT_THAT(error.failure(), AllOf(HasSubstr("cuMemCreate of"), HasSubstr("on cuda:0")));
  EXPECT_EQ(arena->allocate(kMiB)->size(), kMiB) << "what is smaller fits still";
  EXPECT_EQ(error_of([&] { (void)arena->allocate(~0ULL); }).code(), Code::refused);
}

TEST_F(VmmArenaTest, TheCardDigestsAndCopiesAcrossPiecesAndNoLinkGetsThem) {
  const auto program = card_->program_stream();
  const auto device =
      cuda::CudaDevice::open(card_, 0, {[&] { return program; }, {}, {}}, [this] { return vmm_; });
  const auto arena = device->reserve_arena(0, 0);
  const auto block = arena->allocate(70 * kMiB);
  const auto more = arena->allocate(3 * kMiB);
  std::vector<std::byte> bytes(3 * kMiB);
  for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<std::byte>(i * 7 + i / 999);
  const auto over_the_end = std::span(more->data() - kMiB, bytes.size());
  std::memcpy(card_->behind(over_the_end.data()), bytes.data(), bytes.size());
  Digest digest;
  const MemoryRange range{device.get(), over_the_end};
  device->digest({&range, 1}, {&digest, 1}, {});
  EXPECT_EQ(digest, digest_of(bytes));

  const auto staging = device->stage({4 * kMiB, kMiB});
  const auto own = device->allocate(2 * kMiB);
  const std::vector<Payload> payloads{{range}, {{device.get(), own.bytes}}};
  const auto fetched = staging->fetch(payloads, {}, {true});
  ASSERT_EQ(fetched.size(), 2U);
  EXPECT_NE(fetched[0].bytes.data(), over_the_end.data());
  EXPECT_EQ(fetched[1].bytes.data(), own.bytes.data());
  EXPECT_NE(staging->reserve(over_the_end, true).data(), over_the_end.data());
}

}  // namespace
}  // namespace cardswap
