#pragma once

#include <cstdint>
#include <map>

namespace cardswap {

/// Keeps account of which bytes of one gradient have landed or are landing, so that no byte is
/// accepted twice. One thread.
class PlacedBytes {
 public:
  /// Adds `bytes` from `offset` on. False, and nothing has changed: some of these bytes were added
  /// before, or the added bytes would be in more separate runs than an honest sender makes.
  [[nodiscard]] bool place(std::uint64_t offset, std::uint64_t bytes);
  /// How many bytes were added.
  [[nodiscard]] std::uint64_t total() const { return total_; }

 private:
  std::map<std::uint64_t, std::uint64_t> parts_;  // begin and end of each run
  std::uint64_t total_ = 0;
};

}  // namespace cardswap
