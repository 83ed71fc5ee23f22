#include "migrator/engine/target/receive_buffers.h"

#include "migrator/base/error.h"
#include "migrator/engine/header_key.h"

namespace cardswap {

std::span<std::byte> ReceiveBuffers::reserve(StagingPool& stagings,
                                             std::span<const std::byte> header,
                                             const MemoryRange& range, bool direct) {
  if (range.device->is_host()) return range.bytes;
  const auto [at, added] = landing_.try_emplace(key_of(header));
  if (!added) throw Error(Code::bad_request, "a payload that is under way already");
  auto& staging = stagings.staging_for(*range.device);
  at->second = {&staging, staging.reserve(range.bytes, direct), range.bytes};
  return at->second.destination;
}

ByteShuffle ReceiveBuffers::shuffle_for(std::span<const std::byte> header,
                                        std::uint8_t element_bytes) const {
  if (landing_.empty()) return {element_bytes};  // everything is on the host
  const auto found = landing_.find(key_of(header));
  return found == landing_.end() ? ByteShuffle{element_bytes}
                                 : found->second.staging->shuffle_for(element_bytes);
}

void ReceiveBuffers::on_received(std::span<const std::byte> header, ByteShuffle shuffle) {
  if (landing_.empty()) return;  // everything is on the host
  const auto landing = landing_.extract(key_of(header));
  if (landing.empty()) return;
  landing.mapped().staging->on_received(landing.mapped().destination, landing.mapped().range,
                                        shuffle);
}

void ReceiveBuffers::forget_ranges() {
  for (auto& [header, landing] : landing_) landing.range = {};
}

}  // namespace cardswap
