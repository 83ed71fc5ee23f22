#include "migrator/engine/target/payload_receiver.h"

namespace cardswap {

std::span<std::byte> PayloadReceiver::reserve(std::span<const std::byte> header,
                                              const data::PayloadEncoding& encoding,
                                              std::size_t bytes, const MemoryRange& range) {
  const bool compressed = encoding.codec != Codec::none;
  // What is compressed is decompressed by this host's processors: never straight into a GPU.
  const auto destination = buffers_.reserve(stagings_.value(), header, range, !compressed);
  return compressed ? decompressor_.reserve(header, bytes, destination) : destination;
}

std::size_t PayloadReceiver::on_received(std::span<const std::byte> header,
                                         const data::PayloadEncoding& encoding, std::size_t bytes) {
  ByteShuffle shuffle;
  if (encoding.codec != Codec::none) {
    shuffle = buffers_.shuffle_for(header, encoding.element_bytes);
    bytes = decompressor_.on_received(header, encoding, shuffle);
  }
  buffers_.on_received(header, shuffle);
  return bytes;
}

void PayloadReceiver::drain() {
  if (stagings_) stagings_->drain();
}

void PayloadReceiver::forget_ranges() {
  decompressor_.forget_destinations();
  buffers_.forget_ranges();
}

}  // namespace cardswap
