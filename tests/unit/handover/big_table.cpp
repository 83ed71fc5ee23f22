#include "tests/unit/handover/big_table.h"

#include <algorithm>
#include <array>
#include <cstring>

namespace cardswap::handover::model {

std::uint32_t Worlds::hash(const World& world) {
  std::array<std::uint64_t, (sizeof(World) + 7) / 8> words{};
  std::memcpy(words.data(), &world, sizeof(World));
  std::uint64_t result = 0x9e3779b97f4a7c15;
  for (const auto word : words) {
    result = (result ^ word) * 0xff51afd7ed558ccd;
    result ^= result >> 32;
  }
  return static_cast<std::uint32_t>((result * 0xc4ceb9fe1a85ec53) >> 32);
}

Huge<Worlds::Slot> Worlds::empty(std::size_t count) {
  auto slots = huge<Slot>(count);
  std::fill_n(slots.get(), count, Slot{0, kNone});
  return slots;
}

std::pair<std::uint32_t, bool> Worlds::add(const Known& next, std::uint32_t hash) {
  const auto mask = (std::size_t{1} << bits_) - 1;
  auto at = place(hash);
  for (; slots_[at].number != kNone; at = (at + 1) & mask) {
    const auto& slot = slots_[at];
    if (slot.hash == hash && known_[slot.number].world == next.world) return {slot.number, false};
  }
  const auto number = static_cast<std::uint32_t>(known_.size());
  slots_[at] = {hash, number};
  known_.push_back(next);
  if (known_.size() * 2 > mask) grow();
  return {number, true};
}

void Worlds::grow() {
  const auto old = std::move(slots_);
  const auto count = std::size_t{1} << bits_;
  ++bits_;
  const auto mask = (std::size_t{1} << bits_) - 1;
  slots_ = empty(mask + 1);
  for (std::size_t i = 0; i < count; ++i) {
    if (old[i].number == kNone) continue;
    auto at = place(old[i].hash);
    while (slots_[at].number != kNone) at = (at + 1) & mask;
    slots_[at] = old[i];
  }
}

}  // namespace cardswap::handover::model
