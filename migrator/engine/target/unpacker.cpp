#include "migrator/engine/target/unpacker.h"

#include "migrator/base/error.h"
#include "migrator/engine/header_key.h"

namespace cardswap {

std::span<std::byte> Unpacker::reserve(std::span<const std::byte> header, std::size_t bytes,
                                       std::span<std::byte> destination) {
  if (bytes > destination.size()) {
    throw Error(Code::bad_request, "a packed payload that is larger than what it unpacks to");
  }
  const auto [at, added] = waiting_.try_emplace(key_of(header));
  if (!added) throw Error(Code::bad_request, "a packed payload that is under way already");
  at->second.packed.resize(bytes);
  at->second.destination = destination;
  return at->second.packed;
}

std::size_t Unpacker::on_received(std::span<const std::byte> header, const data::Packing& packing,
                                  ByteShuffle shuffle) {
  auto entry = waiting_.extract(key_of(header));
  if (entry.empty()) throw Error(Code::bad_request, "a packed payload that nobody expected");
  const auto& waiting = entry.mapped();
  if (waiting.destination.empty()) return 0;
  packer_.unpack(packing.codec, waiting.packed, waiting.destination, shuffle);
  return waiting.destination.size();
}

void Unpacker::forget_destinations() {
  for (auto& [header, waiting] : waiting_) waiting.destination = {};
}

}  // namespace cardswap
