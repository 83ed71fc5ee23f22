/// A job's way with memory on a card: brought home, given to a custodian, received by a holder,
/// bound again. Over the stand-ins for CUDA's runtime and the driver.

#include <fcntl.h>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <future>
#include <thread>

#include "migrator/base/error.h"
#include "migrator/device/staging.h"
#include "runtime/holder/custody.h"
#include "runtime/holder/held_memory.h"
#include "runtime/memory_departure.h"
#include "runtime/memory_messages.h"
#include "runtime/memory_socket.h"
#include "tests/stand_ins/cards/cards.h"
#include "tests/support/needs.h"
#include "tests/support/sanitizer.h"

namespace cardswap {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;
using ::testing::SizeIs;
using Clock = std::chrono::steady_clock;

constexpr std::size_t kMiB = 1U << 20U;

struct Cards : test::StandInCard {
  ~Cards() {
    device.reset();
    EXPECT_EQ(vmm->leaks(), "");
    EXPECT_EQ(runtime->leaks(), "");
  }
};

/// Storages on a card and one on the host; a view into each, as a program has them.
class Storages final : public TrackedState {
 public:
  struct Storage {
    std::shared_ptr<Device> device;
    std::span<std::byte> memory;
    std::shared_ptr<const void> keep;
    [[nodiscard]] std::span<std::byte> view() const { return memory.subspan(100, 50); }
  };
  Storages(Cards& cards, std::initializer_list<std::size_t> sizes) : cards_(cards) {
    for (const auto size : sizes) {
      auto buffer = cards.device->allocate(size);
      all_.push_back({cards.device, buffer.bytes, buffer.owner});
    }
    host_.resize(5000);
    all_.push_back({nullptr, host_, {}});
    for (std::size_t i = 0; i < all_.size(); ++i) {
      auto* bytes = cards.runtime->behind(all_[i].memory.data());
      for (std::size_t b = 0; b < all_[i].memory.size(); ++b) {
        bytes[b] = static_cast<std::byte>(b * 31 + b / 251 + i);
      }
    }
  }
  void regions(std::vector<TrackedRegion>& out) override {
    for (std::size_t i = 0; i < all_.size(); ++i) {
      TrackedRegion region;
      region.name = std::to_string(i);
      region.dtype = "bytes";
      region.memory = all_[i].memory;
      region.storage = &all_[i];
      region.keep_alive = all_[i].keep;
      region.device = all_[i].device;
      region.relocate = [this, i](std::byte* home, std::shared_ptr<void> keep) {
        move(all_[i], home, std::move(keep));
      };
      out.push_back(std::move(region));
    }
  }
  [[nodiscard]] const Storage& at(std::size_t i) const { return all_[i]; }

 private:
  void move(Storage& storage, std::byte* home, std::shared_ptr<void> keep) {
    const auto bytes = storage.memory.size();
    if (storage.device) {
      // Behind what the program gave its stream; the storage's old memory is kept until then.
      ASSERT_EQ(cards_.runtime->copy(home, storage.memory.data(), bytes, cards_.program),
                cuda::Status::ok);
      cards_.runtime->work(cards_.program, [old = storage.keep] {});
    } else {
      std::memcpy(home, storage.memory.data(), bytes);
    }
    storage.memory = {home, bytes};
    storage.keep = std::move(keep);
  }

  Cards& cards_;
  std::vector<std::byte> host_;
  std::vector<Storage> all_;
};

class CardArenaTest : public ::testing::Test {
 protected:
  CardArenaTest() : dir_("/tmp/card-arena-" + std::to_string(::getpid())) {
    std::filesystem::create_directory(dir_);
  }
  ~CardArenaTest() override { std::filesystem::remove_all(dir_); }
  void SetUp() override {
    if (test::kThreadSanitizer) return test::skip_without("unsanitized", test::kNoAddresses);
  }

  struct Job {
    Job(Cards& cards, std::initializer_list<std::size_t> sizes) {
      auto made = std::make_unique<Storages>(cards, sizes);
      storages = made.get();
      tracker.add("t", std::move(made));
    }
    Tracker tracker;
    Storages* storages;  // the tracker's
    ArenaRelocator relocator{tracker};
  };
  /// A custodian that serves this process until it has its memory back.
  std::future<int> custodian() {
    auto running = std::async(
        std::launch::async, [path = dir_ / "custodian"] { return take_custody(path, ::getpid()); });
    while (!std::filesystem::exists(dir_ / "custodian")) std::this_thread::yield();
    return running;
  }

  Cards cards_;
  const std::filesystem::path dir_;
};

TEST_F(CardArenaTest, BringsEachStorageIntoItsDevicesArena) {
  Job job(cards_, {3 * kMiB, 70 * kMiB});
  const auto digest = job.tracker.digest();
  EXPECT_EQ(job.relocator.relocatable_bytes(), 73 * kMiB + 5000);
  // The program's own work comes first, and is what arrives.
  auto* first = cards_.runtime->behind(job.storages->at(0).memory.data());
  cards_.runtime->work(cards_.program, [first] { std::memset(first, 9, 200); });
  job.relocator.relocate_all();
  EXPECT_EQ(*cards_.runtime->behind(job.storages->at(0).view().data()), std::byte{0})
      << "nothing waited for the card";
  EXPECT_NE(job.tracker.digest(), digest) << "it has the program's work";
  EXPECT_EQ(*cards_.runtime->behind(job.storages->at(0).view().data()), std::byte{9});

  const auto state_view = job.relocator.state_view(false);
  const auto& regions = state_view.layout.regions();
  ASSERT_THAT(regions, SizeIs(5));
  EXPECT_EQ(regions[0].name, "cuda:0");
  EXPECT_EQ(regions[0].dtype, kArenaHead);
  EXPECT_EQ(regions[3].name, "cpu");
  EXPECT_EQ(regions[3].dtype, kArenaHead);
  for (std::size_t i = 0; i < regions.size(); ++i) {
    EXPECT_EQ(regions[i].address, reinterpret_cast<std::uint64_t>(state_view.memory[i].data()));
    EXPECT_EQ(state_view.devices[i] == cards_.device, i < 3);
  }
  EXPECT_EQ(job.relocator.relocatable_bytes(), 73 * kMiB + 5000);
  EXPECT_TRUE(job.relocator.relocate_some(0ms)) << "all are at home";
}

TEST_F(CardArenaTest, WhatTheCardHasNoRoomForStaysAndIsNotTriedAtEveryBoundary) {
  Job job(cards_, {3 * kMiB, 70 * kMiB});
  cards_.vmm->limit(20 * kMiB);
  EXPECT_TRUE(job.relocator.relocate_some(1000ms));
  EXPECT_THAT(job.relocator.state_view(false).layout.regions(), SizeIs(4))
      << "without the large one";
  (void)cards_.vmm->calls();
  EXPECT_TRUE(job.relocator.relocate_some(0ms));
  EXPECT_THAT(cards_.vmm->calls(), ::testing::IsEmpty());
  const auto digest = job.relocator.digest();
  cards_.vmm->limit(200 * kMiB);
  job.relocator.relocate_all();
  EXPECT_THAT(job.relocator.state_view(false).layout.regions(), SizeIs(5));
  EXPECT_NE(job.relocator.digest(), digest) << "where it lies belongs to it";
}

TEST_F(CardArenaTest, LeavesWithNothingMappedAndComesBackToTheSameBytes) {
  Job job(cards_, {3 * kMiB, 70 * kMiB});
  job.relocator.relocate_all();
  const auto digest = job.relocator.digest();
  const auto view = job.storages->at(1).view();
  auto keeping = custodian();
  MemoryDeparture departure(job.relocator, {dir_ / "custodian", ::getpid()}, Digest{{1}}, 7);
  EXPECT_EQ(cards_.vmm->leaks(), "1 reservations, 0 mappings, 0 handles");
  EXPECT_EQ(cards_.runtime->behind(view.data()), view.data()) << "the card cannot reach it";
  departure.recall();
  EXPECT_EQ(keeping.get(), 0);
  EXPECT_EQ(job.relocator.digest(), digest);
  EXPECT_EQ(*cards_.runtime->behind(view.data()), static_cast<std::byte>(100 * 31 + 1));
}

TEST_F(CardArenaTest, StaysAsItIsWhenItsMemoryCannotBeLetGo) {
  Job job(cards_, {3 * kMiB});
  job.relocator.relocate_all();
  const auto digest = job.relocator.digest();
  auto keeping = custodian();
  cards_.vmm->fail("cuCtxSynchronize", static_cast<cuda::Status>(700));
  EXPECT_THROW(MemoryDeparture(job.relocator, {dir_ / "custodian", ::getpid()}, Digest{{1}}, 7),
               Error);
  EXPECT_EQ(keeping.get(), 0) << "it gave the memory back";
  EXPECT_EQ(job.relocator.digest(), digest);
  EXPECT_THROW(MemoryDeparture(job.relocator, {dir_ / "nobody", 0}, Digest{{1}}, 7), Error);
  EXPECT_EQ(job.relocator.digest(), digest);
}

TEST_F(CardArenaTest, AHolderReceivesAtTheSameAddressesAndTheProcessBindsItsPieces) {
  Layout layout;
  std::vector<std::byte> bytes;
  std::uint64_t base = 0;
  {
    Job job(cards_, {3 * kMiB, 70 * kMiB});
    job.relocator.relocate_all();
    const auto state_view = job.relocator.state_view(false);
    layout = state_view.layout;
    base = layout.regions()[0].address;
    cards_.device->wait(cards_.device->fence());
    const auto* region = cards_.runtime->behind(state_view.memory[2].data());
    bytes.assign(region, region + state_view.memory[2].size());
  }  // the source is another process
  std::vector<memory_transfer::PassedArena> passed;
  {
    HeldMemory held([this](int) { return cards_.device; });
    const auto state_view = held.adopt(layout);
    ASSERT_EQ(state_view.devices[2], cards_.device);
    EXPECT_EQ(reinterpret_cast<std::uint64_t>(state_view.memory[2].data()),
              layout.regions()[2].address);
    const auto staging = state_view.devices[2]->stage({bytes.size(), std::nullopt});
    const auto place = staging->reserve(state_view.memory[2], true);
    std::memcpy(place.data(), bytes.data(), bytes.size());
    staging->on_received(place, state_view.memory[2], {});
    staging->drain();
    passed = held.passed();
  }  // and the holder, another one
  ASSERT_THAT(passed, SizeIs(2));
  EXPECT_EQ(passed[0].device, "cuda:0");
  EXPECT_EQ(passed[0].base, base);
  EXPECT_EQ(cards_.vmm->leaks(), "");
  const auto arena = cards_.device->reserve_arena(base, 75 * kMiB);
  arena->bind(std::move(passed[0].pieces), base);
  Digest digest;
  const MemoryRange range{cards_.device.get(),
                          {reinterpret_cast<std::byte*>(layout.regions()[2].address),  // NOLINT
                           bytes.size()}};
  cards_.device->digest({&range, 1}, {&digest, 1}, {});
  EXPECT_EQ(digest, digest_of(bytes));
}

TEST_F(CardArenaTest, AHolderSaysWhichAddressesOfItsCardAreTaken) {
  Job job(cards_, {3 * kMiB});
  job.relocator.relocate_all();
  const auto layout = job.relocator.state_view(false).layout;
  HeldMemory held([this](int) { return cards_.device; });
  try {
    (void)held.adopt(layout);
    FAIL() << "the job itself has them";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Code::refused);
    EXPECT_THAT(error.failure(),
                HasSubstr(fmt::format("addresses {:#x} to", layout.regions()[0].address)));
    EXPECT_THAT(error.failure(), HasSubstr("on cuda:0"));
  }
}

TEST_F(CardArenaTest, ARestoredProcessTakesWhatTheHolderHasOrNothing) {
  Job job(cards_, {3 * kMiB});
  job.relocator.relocate_all();
  const auto digest = job.relocator.digest();
  auto keeping = custodian();
  // What a holder would have received, cut into pieces as it likes.
  const auto copies = [&job] {
    std::vector<memory_transfer::PassedArena> arenas;
    for (const auto* place : job.relocator.slots()) {
      memory_transfer::PassedArena arena{place->name, place->arena->base(), {}};
      for (const auto& piece : place->arena->pieces()) {
        ArenaPiece copy{Descriptor(::memfd_create("copy", MFD_CLOEXEC | MFD_ALLOW_SEALING)),
                        piece.bytes};
        std::vector<std::byte> bytes(piece.bytes);
        EXPECT_EQ(::pread(piece.file.get(), bytes.data(), bytes.size(), 0),
                  static_cast<ssize_t>(bytes.size()));
        EXPECT_EQ(::pwrite(copy.file.get(), bytes.data(), bytes.size(), 0),
                  static_cast<ssize_t>(bytes.size()));
        EXPECT_EQ(::fcntl(copy.file.get(), F_ADD_SEALS, F_SEAL_SHRINK), 0);
        arena.pieces.push_back(std::move(copy));
      }
      arenas.push_back(std::move(arena));
    }
    return arenas;
  };
  auto right = copies();
  auto wrong = copies();
  ASSERT_EQ(::pwrite(wrong[0].pieces[0].file.get(), "?", 1, 1 * kMiB), 1);
  const Digest state_digest{{1}};
  MemoryDeparture departure(job.relocator, {dir_ / "custodian", ::getpid()}, state_digest, 7);
  const memory_transfer::Listener listener(dir_ / "holder");
  const auto memory_transfer = [&](const std::vector<memory_transfer::PassedArena>& arenas) {
    return std::async(std::launch::async, [&] {
      std::optional<memory_transfer::Connection> connection;
      while (!connection) connection = listener.accept();
      (void)connection->receive(Clock::now() + 10s);
      memory_transfer::Memory memory;
      memory.arenas = memory_transfer::outlines_of(arenas);
      memory.state_digest = state_digest;
      memory.step = 7;
      connection->send(memory, memory_transfer::files_of(arenas));
      return connection->receive(Clock::now() + 10s).has_value();
    });
  };
  channel::Arrived arrived;
  arrived.holder = dir_ / "holder";
  arrived.state_digest = state_digest;
  {
    auto holder = memory_transfer(wrong);
    EXPECT_THROW((void)departure.arrive(arrived), Error);
    EXPECT_TRUE(holder.get());
    EXPECT_EQ(cards_.vmm->leaks(), "1 reservations, 0 mappings, 0 handles") << "as it left";
  }
  auto holder = memory_transfer(right);
  EXPECT_EQ(departure.arrive(arrived).step, 7U);
  EXPECT_TRUE(holder.get());
  EXPECT_EQ(job.relocator.digest(), digest);
  departure.recall();  // ends the custodian; what is bound stays
  EXPECT_EQ(keeping.get(), 0);
  EXPECT_EQ(job.relocator.digest(), digest);
}

}  // namespace
}  // namespace cardswap
