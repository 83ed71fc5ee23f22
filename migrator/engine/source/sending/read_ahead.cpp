#include "migrator/engine/source/sending/read_ahead.h"

#include <algorithm>
#include <iterator>
#include <span>

namespace cardswap {
namespace {

/// Enough to use all buffers of a device. Payloads in the host's memory need no read-ahead.
constexpr std::size_t kReadAheadMax = 256;

}  // namespace

void ReadAhead::want(const MemoryRange& range, std::uint8_t element_bytes) {
  // A payload that will not be compressed must not be shuffled.
  wanted_.push_back(
      {range, range.bytes.size() < kCompressedBytesMin ? std::uint8_t{1} : element_bytes});
}

std::optional<StagedPayload> ReadAhead::next() {
  while (begun_ < wanted_.size() && ahead_.size() < kReadAheadMax) {
    auto& device = *wanted_[begun_].range.device;
    if (device.is_host()) {
      if (!ahead_.empty()) break;
      return StagedPayload{wanted_[begun_++].range.bytes, {}, 0};
    }
    const auto left = std::span(wanted_).subspan(begun_).first(
        std::min(wanted_.size() - begun_, kReadAheadMax - ahead_.size()));
    const auto others = std::ranges::find_if(
        left, [&](const Payload& payload) { return payload.range.device != &device; });
    auto fetched = stagings_.staging_for(device).fetch(
        {left.begin(), others}, after_, {direct_(), compressor_.codec() != Codec::none});
    if (fetched.empty()) break;
    begun_ += fetched.size();
    std::ranges::move(fetched, std::back_inserter(ahead_));
  }
  if (ahead_.empty()) return std::nullopt;
  auto& device = *wanted_[begun_ - ahead_.size()].range.device;
  if (!stagings_.staging_for(device).is_ready(ahead_.front())) return std::nullopt;
  auto result = std::move(ahead_.front());
  ahead_.pop_front();
  return result;
}

}  // namespace cardswap
