#include "migrator/engine/source/base_copy.h"

#include <cassert>
#include <span>
#include <utility>
#include <vector>

namespace cardswap {
namespace {

/// No further shard is copied aside beyond this; a single one may be larger.
constexpr std::uint64_t kStagedBytesMax = 256U << 20U;

}  // namespace

bool BaseCopy::stage_next(std::uint64_t step_min) {
  const auto is_to_be_copied = [](const auto& unit) {
    return unit.bytes != 0 && !unit.copied_at && !unit.by_digests;
  };
  while (next_unit_ < units_.size() && !is_to_be_copied(units_[next_unit_])) ++next_unit_;
  if (next_unit_ == units_.size()) return false;
  auto& unit = units_[next_unit_];
  std::vector<MemoryRange> ranges;
  for (const auto region : unit.shard.regions) {
    ranges.push_back(range_of(source_.state.view(), region));
  }
  if (copy_.bytes.size() != unit.bytes) {
    copy_ = ranges.front().device->allocate_host(unit.bytes);
  }
  auto read = window_.try_read();
  if (!read || read->step() < step_min) return false;
  Staged staged{next_unit_, std::exchange(copy_, {})};
  read_ranges(ranges, staged.copy.bytes.data(), read->fence());
  unit.copied_at = read->step();
  ++next_unit_;
  staged_so_far_ += unit.bytes;
  staged_bytes_ += unit.bytes;
  staged_.push_back(std::move(staged));
  return true;
}

void BaseCopy::stage_ahead(std::uint64_t step_min, std::uint64_t log_bytes) {
  if (source_.freeze.has_arrived()) return;  // what was not copied goes with the frozen state
  while (staged_so_far_ < log_bytes && staged_bytes_ < kStagedBytesMax && stage_next(step_min)) {
  }
}

void BaseCopy::send_staged(const std::function<void()>& between_sends) {
  const auto staged = std::move(staged_.front());
  staged_.pop_front();
  auto& state = source_.state;
  std::span<const std::byte> left = staged.copy.bytes;
  assert(staged_bytes_ >= left.size());
  staged_bytes_ -= left.size();
  const auto regions = units_[staged.unit].shard.regions;
  for (const auto region : regions) {
    for (const auto chunk : state.chunks().chunks_of(region)) {
      const auto bytes = state.chunks().span_of(chunk).bytes;
      source_.payloads.send(data::ChunkHeader{chunk, data::kBaseRound},
                            {left.first(bytes), staged.copy.owner}, state.element_bytes_of(region),
                            CapRule::always);
      left = left.subspan(bytes);
      ++chunks_sent_;
      source_.reporter.note_remaining(bytes_left());
      between_sends();
      source_.reporter.report(false);
    }
  }
  assert(left.empty());
}

void BaseCopy::drop_staged() {
  for (const auto& staged : staged_) units_[staged.unit].copied_at.reset();
  staged_.clear();
  staged_bytes_ = 0;
}

void BaseCopy::drop_gone() {
  std::erase_if(staged_, [this](const Staged& staged) {
    if (!units_[staged.unit].gone) return false;
    staged_bytes_ -= staged.copy.bytes.size();
    return true;
  });
}

}  // namespace cardswap
