#pragma once

#include <cstddef>
#include <span>

namespace cardswap {

/// Memory of the host that a process takes from the system piece by piece, and gives back as a
/// whole: the destructor leaves nothing with an allocator. One owner; bytes() may be used by any
/// thread.
class TouchedMemory {
 public:
  TouchedMemory() = default;
  /// Reserves addresses for `bytes`; they cost no memory until they are touched. Throws
  /// Error{no_memory}.
  explicit TouchedMemory(std::size_t bytes);
  ~TouchedMemory();
  TouchedMemory(TouchedMemory&& other) noexcept;
  TouchedMemory& operator=(TouchedMemory&& other) noexcept;

  [[nodiscard]] std::span<std::byte> bytes() const { return bytes_; }
  /// Takes the memory of a part from the system, so that a later write does not wait for that.
  /// Does nothing for what is beyond the end.
  void touch(std::size_t from, std::size_t count);

 private:
  std::span<std::byte> bytes_;
};

}  // namespace cardswap
