#include "migrator/engine/target/payload_receiver.h"

namespace cardswap {

std::span<std::byte> PayloadReceiver::reserve(std::span<const std::byte> header,
                                              const data::Packing& packing, std::size_t bytes,
                                              const MemoryRange& range) {
  const bool packed = packing.codec != Codec::none;
  // What is packed is unpacked by this host's processors: never straight into a GPU.
  const auto destination = buffers_.reserve(stagings_.value(), header, range, !packed);
  return packed ? unpacker_.reserve(header, bytes, destination) : destination;
}

std::size_t PayloadReceiver::on_received(std::span<const std::byte> header,
                                         const data::Packing& packing, std::size_t bytes) {
  ByteShuffle shuffle;
  if (packing.codec != Codec::none) {
    shuffle = buffers_.shuffle_for(header, packing.element_bytes);
    bytes = unpacker_.on_received(header, packing, shuffle);
  }
  buffers_.on_received(header, shuffle);
  return bytes;
}

void PayloadReceiver::settle() {
  if (stagings_) stagings_->settle();
}

void PayloadReceiver::forget_ranges() {
  unpacker_.forget_destinations();
  buffers_.forget_ranges();
}

}  // namespace cardswap
