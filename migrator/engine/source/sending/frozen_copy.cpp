#include "migrator/engine/source/sending/frozen_copy.h"

#include <utility>

namespace cardswap {

void FrozenCopy::begin(std::vector<MemoryRange> chunks, std::vector<std::optional<Digest>> known,
                       Fence after) {
  chunks_ = std::move(chunks);
  known_ = std::move(known);
  after_ = std::move(after);
  places_.assign(chunks_.size(), std::nullopt);
  used_ = 0;
}

void FrozenCopy::add(std::size_t first, std::span<const Digest> now) {
  std::vector<MemoryRange> differing;
  std::size_t bytes = 0;
  for (std::size_t i = 0; i < now.size(); ++i) {
    if (known_[first + i] == now[i]) continue;
    differing.push_back(chunks_[first + i]);
    bytes += chunks_[first + i].bytes.size();
  }
  if (differing.empty()) return;
  const auto place = take_room(bytes);
  if (!place) return;
  differing.front().device->read(differing, memory_.bytes().data() + *place, after_);
  auto at = *place;
  for (std::size_t i = 0; i < now.size(); ++i) {
    if (known_[first + i] == now[i]) continue;
    places_[first + i] = at;
    at += chunks_[first + i].bytes.size();
  }
}

std::optional<std::size_t> FrozenCopy::take_room(std::size_t bytes) {
  auto used = used_.load();
  do {
    if (bytes > memory_.bytes().size() - used) return std::nullopt;
  } while (!used_.compare_exchange_weak(used, used + bytes));
  return used;
}

std::span<std::byte> FrozenCopy::chunk(std::size_t chunk) const {
  return memory_.bytes().subspan(places_.at(chunk).value(), chunks_.at(chunk).bytes.size());
}

}  // namespace cardswap
