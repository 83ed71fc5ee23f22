#include "migrator/engine/target/placed_bytes.h"

#include <iterator>

namespace cardswap {
namespace {

/// Pieces are sent in order, and few of them overtake others.
constexpr std::size_t kPartsMax = 1024;

}  // namespace

bool PlacedBytes::place(std::uint64_t offset, std::uint64_t bytes) {
  if (bytes == 0) return true;
  auto begin = offset;
  auto end = offset + bytes;
  const auto next = parts_.lower_bound(begin);
  const bool has_next = next != parts_.end();
  const auto before = next != parts_.begin() ? std::prev(next) : parts_.end();
  const bool has_before = before != parts_.end();
  if (has_next && next->first < end) return false;
  if (has_before && before->second > begin) return false;
  const bool meets_next = has_next && next->first == end;
  const bool meets_before = has_before && before->second == begin;
  if (!meets_next && !meets_before && parts_.size() == kPartsMax) return false;
  if (meets_next) {
    end = next->second;
    parts_.erase(next);
  }
  if (meets_before) begin = before->first;
  parts_[begin] = end;
  total_ += bytes;
  return true;
}

}  // namespace cardswap
