#include "migrator/staging.h"

#include <utility>

#include "migrator/error.h"

namespace cardswap {
namespace {

/// Enough for a device's buffers to be all in use; host memory needs none of it.
constexpr std::size_t kAheadMost = 256;

std::string key_of(std::span<const std::byte> header) {
  return {reinterpret_cast<const char*>(header.data()), header.size()};  // NOLINT: bytes as a key
}

}  // namespace

Staging& Stagings::of(Device& device) {
  auto& staging = stagings_[&device];
  if (!staging) {
    staging = device.stage({payload_bytes_max_, link_.direct_bytes_min(device.info().kind)});
  }
  return *staging;
}

void Stagings::settle() {
  for (const auto& [device, staging] : stagings_) staging->settle();
}

std::optional<Fetched> ReadAhead::next() {
  while (begun_ < wanted_.size() && ahead_.size() < kAheadMost) {
    const auto& payload = wanted_[begun_];
    if (payload.device->is_host()) {
      if (!ahead_.empty()) break;
      ++begun_;
      return Fetched{payload.bytes, {}, 0};
    }
    auto fetched = stagings_.of(*payload.device).fetch(payload.bytes, after_, direct_);
    if (!fetched) break;
    ahead_.push_back(std::move(*fetched));
    ++begun_;
  }
  if (ahead_.empty()) return std::nullopt;
  auto& device = *wanted_[begun_ - ahead_.size()].device;
  if (!stagings_.of(device).ready(ahead_.front())) return std::nullopt;
  auto result = std::move(ahead_.front());
  ahead_.pop_front();
  return result;
}

std::span<std::byte> Landings::place_for(Stagings& stagings, std::span<const std::byte> header,
                                         const MemoryRange& range) {
  if (range.device->is_host()) return range.bytes;
  const auto [at, added] = landing_.try_emplace(key_of(header));
  if (!added) throw Error(Code::bad_request, "a payload that is under way already");
  auto& staging = stagings.of(*range.device);
  at->second = {&staging, staging.place_for(range.bytes), range.bytes};
  return at->second.place;
}

void Landings::landed(std::span<const std::byte> header) {
  if (landing_.empty()) return;  // everything is on the host
  const auto landing = landing_.extract(key_of(header));
  if (landing.empty()) return;
  landing.mapped().staging->landed(landing.mapped().place, landing.mapped().range);
}

void Landings::forget_ranges() {
  for (auto& [header, landing] : landing_) landing.range = {};
}

}  // namespace cardswap
