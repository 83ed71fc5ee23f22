#pragma once

#include <sys/mman.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <new>
#include <type_traits>
#include <utility>
#include <vector>

/// Where a search keeps millions of worlds: most of the time goes into memory
/// accesses that miss every cache.
namespace cardswap::model {

/// Memory in pages of 2 MiB, if the kernel has them: a random access needs no walk of page
/// tables.
struct FreeHuge {
  void operator()(void* memory) const noexcept { std::free(memory); }
};
template <class T>
using Huge = std::unique_ptr<T[], FreeHuge>;
inline constexpr std::size_t kHugePage = 2UL << 20;
template <class T>
[[nodiscard]] Huge<T> huge(std::size_t count) {
  static_assert(std::is_trivially_copyable_v<T>);
  const auto bytes = (count * sizeof(T) + kHugePage - 1) / kHugePage * kHugePage;
  void* memory = std::aligned_alloc(kHugePage, bytes);
  if (memory == nullptr) throw std::bad_alloc();
  (void)::madvise(memory, bytes, MADV_HUGEPAGE);
  return Huge<T>(static_cast<T*>(memory));
}

/// A list that grows by blocks, and moves nothing that it holds.
template <class T>
class Blocks {
 public:
  void push_back(const T& value) {
    if (size_ == blocks_.size() * kBlock) blocks_.push_back(huge<T>(kBlock));
    (*this)[size_++] = value;
  }
  [[nodiscard]] T& operator[](std::size_t i) { return blocks_[i / kBlock][i % kBlock]; }
  [[nodiscard]] const T& operator[](std::size_t i) const { return blocks_[i / kBlock][i % kBlock]; }
  [[nodiscard]] std::size_t size() const { return size_; }

 private:
  static constexpr std::size_t kBlock = kHugePage / std::bit_ceil(sizeof(T));
  std::vector<Huge<T>> blocks_;
  std::size_t size_ = 0;
};

inline constexpr std::uint32_t kNone = ~0U;

/// A world, and how it was first found: whole lines of the cache.
template <class WorldType, class StepType>
struct alignas(64) Known {
  using World = WorldType;
  using Step = StepType;
  World world;
  std::uint32_t parent;
  Step step;
};

/// What follows on worlds, in the order in which it is found.
template <class World, class Step>
struct Nexts {
  std::vector<Known<World, Step>> all;
  std::uint32_t parent = 0;
  void operator()(const World& world, const Step& step) { all.push_back({world, parent, step}); }
};

/// Every world once, under a number, in the order in which it was found.
template <class Known>
class Worlds {
 public:
  using World = typename Known::World;
  static_assert(std::has_unique_object_representations_v<World>, "equal worlds are equal bytes");

  Worlds() : slots_(empty(1UL << kBitsAtFirst)) {}

  [[nodiscard]] static std::uint32_t hash(const World& world) {
    std::array<std::uint64_t, (sizeof(World) + 7) / 8> words{};
    std::memcpy(words.data(), &world, sizeof(World));
    std::uint64_t result = 0x9e3779b97f4a7c15;
    for (const auto word : words) {
      result = (result ^ word) * 0xff51afd7ed558ccd;
      result ^= result >> 32;
    }
    return static_cast<std::uint32_t>((result * 0xc4ceb9fe1a85ec53) >> 32);
  }
  /// Has the caches fetch what add() will look at: first the slot, then the world that it names.
  void expect(std::uint32_t hash) const { __builtin_prefetch(&slots_[place(hash)]); }
  void expect_world(std::uint32_t hash) const {
    const auto& slot = slots_[place(hash)];
    if (slot.number != kNone && slot.hash == hash) __builtin_prefetch(&known_[slot.number]);
  }
  /// Its number, and whether it is new.
  std::pair<std::uint32_t, bool> add(const Known& next, std::uint32_t hash) {
    const auto mask = (std::size_t{1} << bits_) - 1;
    auto at = place(hash);
    for (; slots_[at].number != kNone; at = (at + 1) & mask) {
      const auto& slot = slots_[at];
      if (slot.hash == hash && known_[slot.number].world == next.world) return {slot.number, false};
    }
    const auto number = static_cast<std::uint32_t>(known_.size());
    slots_[at] = {hash, number};
    known_.push_back(next);
    if (known_.size() * 2 > mask) grow();
    return {number, true};
  }

  [[nodiscard]] const Known& operator[](std::size_t i) const { return known_[i]; }
  [[nodiscard]] std::size_t size() const { return known_.size(); }

 private:
  /// In the order of the hashes: a table that doubles is filled from its beginning to its end.
  struct Slot {
    std::uint32_t hash;
    std::uint32_t number;
  };
  static constexpr int kBitsAtFirst = 17;
  [[nodiscard]] static Huge<Slot> empty(std::size_t count) {
    auto slots = huge<Slot>(count);
    std::fill_n(slots.get(), count, Slot{0, kNone});
    return slots;
  }
  [[nodiscard]] std::size_t place(std::uint32_t hash) const { return hash >> (32 - bits_); }
  void grow() {
    const auto old = std::move(slots_);
    const auto count = std::size_t{1} << bits_;
    ++bits_;
    const auto mask = (std::size_t{1} << bits_) - 1;
    slots_ = empty(mask + 1);
    for (std::size_t i = 0; i < count; ++i) {
      if (old[i].number == kNone) continue;
      auto at = place(old[i].hash);
      while (slots_[at].number != kNone) at = (at + 1) & mask;
      slots_[at] = old[i];
    }
  }

  int bits_ = kBitsAtFirst;
  Huge<Slot> slots_;
  Blocks<Known> known_;
};

}  // namespace cardswap::model
