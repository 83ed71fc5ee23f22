#pragma once

#include <cstdint>
#include <map>
#include <optional>

namespace cardswap {

/// Which bytes of a growing range are in use: the first hole that fits, neighbouring holes are one.
/// A value; knows offsets only.
class BlockList {
 public:
  /// A run of bytes, by its offset.
  struct Range {
    std::uint64_t offset = 0;
    std::uint64_t bytes = 0;
  };

  /// Begins with nothing in use; nothing before `first` is ever given.
  explicit BlockList(std::uint64_t first) : used_(first) {}

  /// A hole's offset; none: no hole is large enough.
  [[nodiscard]] std::optional<std::uint64_t> take(std::uint64_t bytes);
  /// Takes `bytes` behind everything in use; returns their offset.
  [[nodiscard]] std::uint64_t append(std::uint64_t bytes);
  /// Gives a range back; returns the hole that this makes, or is part of.
  Range give_back(Range range);
  /// The offset at which blocks, and the holes between them, end.
  [[nodiscard]] std::uint64_t used() const { return used_; }

 private:
  std::uint64_t used_;
  std::map<std::uint64_t, std::uint64_t> holes_;  // below used_: bytes by offset
};

}  // namespace cardswap
