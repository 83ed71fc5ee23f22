#pragma once

#include <cstdint>
#include <map>
#include <optional>

namespace cardswap {

/// Keeps account of which bytes of a growing range are in use. Takes the first hole that fits, and
/// joins neighbouring holes. A value; knows offsets only.
class BlockList {
 public:
  /// A run of bytes, by its offset.
  struct Range {
    std::uint64_t offset = 0;
    std::uint64_t bytes = 0;
  };

  /// Begins with nothing in use. Offsets below `first` are never given out.
  explicit BlockList(std::uint64_t first) : used_(first) {}

  /// Takes `bytes` (at least 1) from a hole and returns their offset. None: no hole is large
  /// enough.
  [[nodiscard]] std::optional<std::uint64_t> take(std::uint64_t bytes);
  /// Takes `bytes` after everything in use, and returns their offset.
  [[nodiscard]] std::uint64_t append(std::uint64_t bytes);
  /// Gives back a range that was taken; returns the hole that it makes or joins.
  Range give_back(Range range);
  /// The offset after the last range in use.
  [[nodiscard]] std::uint64_t used() const { return used_; }

 private:
  std::uint64_t used_;
  std::map<std::uint64_t, std::uint64_t> holes_;  // below used_: bytes by offset
};

}  // namespace cardswap
