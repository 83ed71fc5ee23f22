#include "migrator/wire/frame_reader.h"

#include <fmt/format.h>

#include <algorithm>

#include "migrator/base/error.h"
#include "migrator/core/wire_reader.h"

namespace cardswap::channel {

void FrameReader::feed(std::span<const std::byte> piece) {
  buffer_.erase(buffer_.begin(), buffer_.begin() + static_cast<std::ptrdiff_t>(read_));
  read_ = 0;
  buffer_.insert(buffer_.end(), piece.begin(), piece.end());
}

std::optional<std::vector<std::byte>> FrameReader::next(std::size_t most) {
  const auto rest = std::span(buffer_).subspan(read_);
  if (rest.size() < sizeof(std::uint32_t)) return std::nullopt;
  const auto size = wire::WireReader(rest).u32();
  if (size < sizeof(std::uint16_t) || size > std::min<std::size_t>(most, kFrameBytesMax)) {
    throw Error(Code::bad_request, fmt::format("a frame of {} bytes on the runtime's socket", size),
                "the peer does not speak Cardswap's runtime protocol");
  }
  const auto body = rest.subspan(sizeof(std::uint32_t));
  if (body.size() < size) return std::nullopt;
  read_ += sizeof(std::uint32_t) + size;
  return std::vector<std::byte>(body.begin(), body.begin() + size);
}

}  // namespace cardswap::channel
