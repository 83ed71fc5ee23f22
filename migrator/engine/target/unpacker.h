#pragma once

#include <cstddef>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "migrator/core/compression.h"
#include "migrator/wire/data_messages.h"

namespace cardswap {

/// The buffers at the target in which packed payloads land, and their unpacking. One thread.
class Unpacker {
 public:
  /// Returns a buffer of `bytes` for the packed payload with `header`, which will be unpacked into
  /// `destination`. Throws Error{bad_request} when `bytes` is more than the destination has, and
  /// when a payload with this header is in flight already.
  [[nodiscard]] std::span<std::byte> reserve(std::span<const std::byte> header, std::size_t bytes,
                                             std::span<std::byte> destination);
  /// Unpacks a payload that has landed. Returns the bytes of the destination; 0: it was forgotten.
  /// `shuffle` describes what the destination is to hold. Throws as Packer::unpack(), and
  /// Error{bad_request} for a header that is not in flight.
  std::size_t on_received(std::span<const std::byte> header, const data::Packing& packing,
                          ByteShuffle shuffle);
  /// Forgets all destinations, because their memory goes away. Payloads in flight may still land in
  /// the buffers.
  void forget_destinations();

 private:
  /// A packed payload in flight.
  struct Waiting {
    std::vector<std::byte> packed;
    std::span<std::byte> destination;
  };
  Packer packer_;
  std::map<std::string, Waiting> waiting_;  // by header
};

}  // namespace cardswap
