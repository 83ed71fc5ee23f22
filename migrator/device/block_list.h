#pragma once

#include <cstdint>
#include <map>
#include <optional>

namespace cardswap {

/// Which bytes of a growing range are in use: the first hole that fits, neighbouring holes are one.
/// A value; knows offsets only.
class BlockList {
 public:
  struct Range {
    std::uint64_t offset = 0;
    std::uint64_t bytes = 0;
  };

  /// Nothing before `first` is ever given.
  explicit BlockList(std::uint64_t first) : used_(first) {}

  /// A hole's offset; none: no hole is large enough.
  [[nodiscard]] std::optional<std::uint64_t> take(std::uint64_t bytes);
  /// Behind everything in use.
  [[nodiscard]] std::uint64_t append(std::uint64_t bytes);
  /// The hole that this makes, or is part of.
  Range give_back(Range range);
  /// Blocks and the holes between them end here.
  [[nodiscard]] std::uint64_t used() const { return used_; }

 private:
  std::uint64_t used_;
  std::map<std::uint64_t, std::uint64_t> holes_;  // below used_: bytes by offset
};

}  // namespace cardswap
