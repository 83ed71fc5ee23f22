#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <vector>

#include "migrator/wire/runtime_messages.h"

namespace cardswap::channel {

/// Assembles whole frames from the pieces that a stream socket delivers.
///
/// Call feed() with each piece, then next() until it returns none. next() throws Error{bad_request}
/// for a size below 2 or above kFrameBytesMax, before anything is allocated for the frame; the
/// caller must close the connection then. One thread.
class FrameReader {
 public:
  void feed(std::span<const std::byte> piece);
  /// The body of the next frame (the bytes after the size). None: the frame is not complete yet. A
  /// body of more than `most` bytes throws as well.
  [[nodiscard]] std::optional<std::vector<std::byte>> next(std::size_t most = kFrameBytesMax);

 private:
  std::vector<std::byte> buffer_;
  std::size_t read_ = 0;
};

}  // namespace cardswap::channel
