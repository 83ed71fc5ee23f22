#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <vector>

#include "migrator/wire/runtime_messages.h"

namespace cardswap::channel {

/// Makes whole frames of the pieces that a stream socket delivers.
///
/// Fed with what arrived, asked for bodies until it has none. A size under 2 or over kFrameBytesMax
/// throws Error{bad_request} before anything is allocated for it; close the connection then.
class FrameReader {
 public:
  void feed(std::span<const std::byte> piece);
  /// The next frame's body (what follows the size), or nothing until more is fed. A frame of more
  /// than `most` is refused like one of more than kFrameBytesMax.
  [[nodiscard]] std::optional<std::vector<std::byte>> next(std::size_t most = kFrameBytesMax);

 private:
  std::vector<std::byte> buffer_;
  std::size_t read_ = 0;
};

}  // namespace cardswap::channel
