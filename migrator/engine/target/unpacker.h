#pragma once

#include <cstddef>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "migrator/core/compression.h"
#include "migrator/wire/data_messages.h"

namespace cardswap {

/// The places at the target where packed payloads land before they are unpacked. One thread.
class Unpacker {
 public:
  /// A buffer for the `bytes` of the payload with `header`, which belongs in `destination`. Throws
  /// Error{bad_request} for one that is larger than that, or under way already.
  [[nodiscard]] std::span<std::byte> reserve(std::span<const std::byte> header, std::size_t bytes,
                                             std::span<std::byte> destination);
  /// Unpacks what landed; returns the bytes it filled, 0 for a place that was forgotten meanwhile.
  /// `shuffle`: what the place is to be filled with.
  std::size_t on_received(std::span<const std::byte> header, const data::Packing& packing,
                          ByteShuffle shuffle);
  /// Forgets the places, which are not there any more; what is under way may still land in the
  /// buffers.
  void forget_destinations();

 private:
  /// A packed payload that did not land yet.
  struct Waiting {
    std::vector<std::byte> packed;
    std::span<std::byte> destination;
  };
  Packer packer_;
  std::map<std::string, Waiting> waiting_;  // by header
};

}  // namespace cardswap
