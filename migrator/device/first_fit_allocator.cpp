#include "migrator/device/first_fit_allocator.h"

#include <algorithm>
#include <iterator>

namespace cardswap {

std::optional<std::uint64_t> FirstFitAllocator::take(std::uint64_t bytes) {
  const auto hole = std::find_if(holes_.begin(), holes_.end(),
                                 [bytes](const auto& range) { return range.second >= bytes; });
  if (hole == holes_.end()) return std::nullopt;
  const auto offset = hole->first;
  const auto left = hole->second - bytes;
  holes_.erase(hole);
  if (left > 0) holes_.emplace(offset + bytes, left);
  return offset;
}

std::uint64_t FirstFitAllocator::append(std::uint64_t bytes) {
  const auto offset = used_;
  used_ += bytes;
  return offset;
}

FirstFitAllocator::Range FirstFitAllocator::give_back(Range range) {
  auto after = holes_.lower_bound(range.offset);
  if (after != holes_.end() && after->first == range.offset + range.bytes) {
    range.bytes += after->second;
    after = holes_.erase(after);
  }
  if (after != holes_.begin()) {
    const auto before = std::prev(after);
    if (before->first + before->second == range.offset) {
      range = {before->first, before->second + range.bytes};
      holes_.erase(before);
    }
  }
  if (range.offset + range.bytes == used_) {
    used_ = range.offset;
  } else {
    holes_.emplace(range.offset, range.bytes);
  }
  return range;
}

}  // namespace cardswap
