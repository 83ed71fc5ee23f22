#include "migrator/engine/target/payload_decompressor.h"

#include "migrator/base/error.h"
#include "migrator/engine/header_key.h"

namespace cardswap {

std::span<std::byte> PayloadDecompressor::reserve(std::span<const std::byte> header,
                                                  std::size_t bytes,
                                                  std::span<std::byte> destination) {
  if (bytes > destination.size()) {
    throw Error(Code::bad_request,
                "a compressed payload that is larger than what it decompresses to");
  }
  const auto [at, added] = waiting_.try_emplace(key_of(header));
  if (!added) throw Error(Code::bad_request, "a compressed payload that is under way already");
  at->second.compressed.resize(bytes);
  at->second.destination = destination;
  return at->second.compressed;
}

std::size_t PayloadDecompressor::on_received(std::span<const std::byte> header,
                                             const data::PayloadEncoding& encoding,
                                             ByteShuffle shuffle) {
  auto entry = waiting_.extract(key_of(header));
  if (entry.empty()) throw Error(Code::bad_request, "a compressed payload that nobody expected");
  const auto& waiting = entry.mapped();
  if (waiting.destination.empty()) return 0;
  compressor_.decompress(encoding.codec, waiting.compressed, waiting.destination, shuffle);
  return waiting.destination.size();
}

void PayloadDecompressor::forget_destinations() {
  for (auto& [header, waiting] : waiting_) waiting.destination = {};
}

}  // namespace cardswap
