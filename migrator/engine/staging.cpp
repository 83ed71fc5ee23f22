#include "migrator/engine/staging.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "migrator/core/error.h"

namespace cardswap {
namespace {

/// Enough for a device's buffers to be all in use; host memory needs none of it.
constexpr std::size_t kMaxReadAhead = 256;

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

void ReadAhead::want(const MemoryRange& range, std::uint8_t element) {
  // What is not packed is not to be shuffled either.
  wanted_.push_back({range, range.bytes.size() < kPackedBytesMin ? std::uint8_t{1} : element});
}

std::optional<Fetched> ReadAhead::next() {
  while (begun_ < wanted_.size() && ahead_.size() < kMaxReadAhead) {
    auto& device = *wanted_[begun_].range.device;
    if (device.is_host()) {
      if (!ahead_.empty()) break;
      return Fetched{wanted_[begun_++].range.bytes, {}, 0};
    }
    const auto left = std::span(wanted_).subspan(begun_).first(
        std::min(wanted_.size() - begun_, kMaxReadAhead - ahead_.size()));
    const auto others = std::ranges::find_if(
        left, [&](const Payload& payload) { return payload.range.device != &device; });
    auto fetched = stagings_.of(device).fetch({left.begin(), others}, after_,
                                              {direct_(), packer_.codec() != Codec::none});
    if (fetched.empty()) break;
    begun_ += fetched.size();
    std::ranges::move(fetched, std::back_inserter(ahead_));
  }
  if (ahead_.empty()) return std::nullopt;
  auto& device = *wanted_[begun_ - ahead_.size()].range.device;
  if (!stagings_.of(device).ready(ahead_.front())) return std::nullopt;
  auto result = std::move(ahead_.front());
  ahead_.pop_front();
  return result;
}

std::span<std::byte> Landings::place_for(Stagings& stagings, std::span<const std::byte> header,
                                         const MemoryRange& range, bool direct) {
  if (range.device->is_host()) return range.bytes;
  const auto [at, added] = landing_.try_emplace(key_of(header));
  if (!added) throw Error(Code::bad_request, "a payload that is under way already");
  auto& staging = stagings.of(*range.device);
  at->second = {&staging, staging.place_for(range.bytes, direct), range.bytes};
  return at->second.place;
}

std::uint8_t Landings::planes_for(std::span<const std::byte> header, std::uint8_t element) const {
  if (landing_.empty()) return 1;  // everything is on the host
  const auto found = landing_.find(key_of(header));
  return found == landing_.end() ? std::uint8_t{1} : found->second.staging->planes_for(element);
}

void Landings::landed(std::span<const std::byte> header, std::uint8_t planes) {
  if (landing_.empty()) return;  // everything is on the host
  const auto landing = landing_.extract(key_of(header));
  if (landing.empty()) return;
  landing.mapped().staging->landed(landing.mapped().place, landing.mapped().range, planes);
}

void Landings::forget_ranges() {
  for (auto& [header, landing] : landing_) landing.range = {};
}

}  // namespace cardswap
