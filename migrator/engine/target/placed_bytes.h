#pragma once

#include <cstdint>
#include <map>

namespace cardswap {

/// Which bytes of one payload have a place already: they landed, or are landing. Each may have one
/// once. One thread.
class PlacedBytes {
 public:
  /// Gives a place to `bytes` from `offset` on. False, and nothing has changed: some of them have
  /// one, or what has one would be more scattered than an honest sender leaves it.
  [[nodiscard]] bool place(std::uint64_t offset, std::uint64_t bytes);
  [[nodiscard]] std::uint64_t total() const { return total_; }

 private:
  std::map<std::uint64_t, std::uint64_t> parts_;  // begin and end, with a gap behind each
  std::uint64_t total_ = 0;
};

}  // namespace cardswap
