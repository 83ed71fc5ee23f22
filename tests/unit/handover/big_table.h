#pragma once

#include <sys/mman.h>

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <new>
#include <type_traits>
#include <utility>
#include <vector>

#include "tests/unit/handover/world.h"

/// Where the search keeps millions of worlds: what costs there is memory that no cache has.
namespace cardswap::handover::model {

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

/// Every world once, under a number, in the order in which it was found.
class Worlds {
 public:
  Worlds() : slots_(empty(1UL << kBitsAtFirst)) {}

  [[nodiscard]] static std::uint32_t hash(const World& world);
  /// Has the caches fetch what add() will look at: first the slot, then the world that it names.
  void expect(std::uint32_t hash) const { __builtin_prefetch(&slots_[place(hash)]); }
  void expect_world(std::uint32_t hash) const {
    const auto& slot = slots_[place(hash)];
    if (slot.number != kNone && slot.hash == hash) __builtin_prefetch(&known_[slot.number]);
  }
  /// Its number, and whether it is new.
  std::pair<std::uint32_t, bool> add(const Known& next, std::uint32_t hash);

  [[nodiscard]] const Known& operator[](std::size_t i) const { return known_[i]; }
  [[nodiscard]] std::size_t size() const { return known_.size(); }

 private:
  /// In the order of the hashes: a table that doubles is filled from its beginning to its end.
  struct Slot {
    std::uint32_t hash;
    std::uint32_t number;
  };
  static constexpr int kBitsAtFirst = 17;
  [[nodiscard]] static Huge<Slot> empty(std::size_t count);
  [[nodiscard]] std::size_t place(std::uint32_t hash) const { return hash >> (32 - bits_); }
  void grow();

  int bits_ = kBitsAtFirst;
  Huge<Slot> slots_;
  Blocks<Known> known_;
};

}  // namespace cardswap::handover::model
