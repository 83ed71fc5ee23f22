#include "runtime/memory_departure.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <chrono>
#include <cstring>
#include <filesystem>
#include <future>
#include <new>
#include <optional>
#include <thread>
#include <utility>

#include "runtime/holder/custody.h"
#include "runtime/memory_socket.h"
#include "runtime/passed_arena.h"

namespace cardswap {
namespace {

/// A storage in the arena, of a program that may have no memory left when it is asked for it.
class Storage final : public TrackedState {
 public:
  void regions(std::vector<TrackedRegion>& out) override {
    if (asks_left_ > 0 && --asks_left_ == 0) throw std::bad_alloc();
    if (awaited_.valid()) awaited_.get();
    out.push_back({"w",
                   "bytes",
                   "",
                   now_,
                   now_.data(),
                   {},
                   [this](std::byte* home, std::shared_ptr<void> keep) {
                     std::memcpy(home, now_.data(), now_.size());
                     now_ = {home, now_.size()};
                     keep_ = std::move(keep);
                   },
                   shared_cpu_device()});
  }
  void fail_when_asked(int times) { asks_left_ = times; }
  void wait_when_asked(std::future<void> until) { awaited_ = std::move(until); }

 private:
  std::vector<std::byte> own_ = std::vector<std::byte>(5000, std::byte{7});
  std::span<std::byte> now_ = own_;
  std::shared_ptr<void> keep_;
  int asks_left_ = 0;
  std::future<void> awaited_;
};

class MemoryDepartures : public ::testing::Test {
 protected:
  MemoryDepartures() : dir_("/tmp/memory-departure-" + std::to_string(::getpid())) {
    std::filesystem::create_directory(dir_);
    auto made = std::make_unique<Storage>();
    storage_ = made.get();
    tracker_.add("t", std::move(made));
    relocator_.relocate_all();
  }
  ~MemoryDepartures() override { std::filesystem::remove_all(dir_); }
  /// A custodian that serves this process until it has its memory back.
  std::future<int> custodian() {
    auto running = std::async(
        std::launch::async, [path = dir_ / "custodian"] { return take_custody(path, ::getpid()); });
    while (!std::filesystem::exists(dir_ / "custodian")) std::this_thread::yield();
    return running;
  }

  const std::filesystem::path dir_;
  Tracker tracker_;
  Storage* storage_;  // the tracker's
  ArenaRelocator relocator_{tracker_};
};

TEST_F(MemoryDepartures, ALackOfMemoryWhileItComesBackLeavesItWithItsCustodian) {
  const auto digest = relocator_.digest();
  auto keeping = custodian();
  MemoryDeparture departure(relocator_, {dir_ / "custodian", ::getpid()}, Digest{{1}}, 7);
  storage_->fail_when_asked(1);
  EXPECT_THROW(departure.recall(), std::bad_alloc);
  EXPECT_TRUE(relocator_.is_away()) << "what nobody has compared is not gone on with";
  departure.recall();
  EXPECT_EQ(keeping.get(), 0);
  EXPECT_EQ(relocator_.digest(), digest);
}

/// Plays a custodian that is gone as soon as it has sent the memory back.
TEST_F(MemoryDepartures, ACustodianThatIsGoneBeforeItHearsOfTheEndIsNoLossOfTheMemory) {
  namespace transfer = memory_transfer;
  const auto digest = relocator_.digest();
  std::promise<void> gone;
  auto keeping = std::async(std::launch::async, [&gone, path = dir_ / "custodian"] {
    const auto next = [](const transfer::Listener& listener) {
      std::optional<transfer::Connection> connection;
      while (!(connection = listener.accept())) std::this_thread::yield();
      return std::move(*connection);
    };
    const auto soon = [] { return std::chrono::steady_clock::now() + std::chrono::seconds(10); };
    {
      const transfer::Listener listener(path);
      auto giving = next(listener);
      auto given = giving.receive(soon());
      const auto arenas = std::get<transfer::Keep>(given->message).arenas;
      const auto kept = transfer::arenas_from(arenas, std::move(given->files));
      giving.send(transfer::Kept{});
      auto taking = next(listener);
      EXPECT_TRUE(taking.receive(soon()));
      transfer::Memory memory;
      memory.arenas = arenas;
      taking.send(memory, transfer::files_of(kept));
    }
    gone.set_value();
  });
  while (!std::filesystem::exists(dir_ / "custodian")) std::this_thread::yield();
  MemoryDeparture departure(relocator_, {dir_ / "custodian", ::getpid()}, Digest{{1}}, 7);
  storage_->wait_when_asked(gone.get_future());
  departure.recall();
  keeping.get();
  EXPECT_FALSE(relocator_.is_away());
  EXPECT_EQ(relocator_.digest(), digest);
}

}  // namespace
}  // namespace cardswap
