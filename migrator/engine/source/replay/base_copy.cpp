#include "migrator/engine/source/replay/base_copy.h"

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
  const auto is_to_be_copied = [](const auto& shard_entry) {
    return shard_entry.bytes != 0 && !shard_entry.copied_at && !shard_entry.by_digests;
  };
  while (next_shard_ < shards_.size() && !is_to_be_copied(shards_[next_shard_])) ++next_shard_;
  if (next_shard_ == shards_.size()) return false;
  auto& shard_entry = shards_[next_shard_];
  std::vector<MemoryRange> ranges;
  for (const auto region : shard_entry.shard.regions) {
    ranges.push_back(range_of(source_.state.view(), region));
  }
  if (copy_.bytes.size() != shard_entry.bytes) {
    copy_ = ranges.front().device->allocate_host(shard_entry.bytes);
  }
  auto read = window_.try_read();
  if (!read || read->step() < step_min) return false;
  Staged staged{next_shard_, std::exchange(copy_, {})};
  read_ranges(ranges, staged.copy.bytes.data(), read->fence());
  shard_entry.copied_at = read->step();
  ++next_shard_;
  staged_so_far_ += shard_entry.bytes;
  staged_bytes_ += shard_entry.bytes;
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
  const auto regions = shards_[staged.shard].shard.regions;
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
  for (const auto& staged : staged_) shards_[staged.shard].copied_at.reset();
  staged_.clear();
  staged_bytes_ = 0;
}

void BaseCopy::drop_gone() {
  std::erase_if(staged_, [this](const Staged& staged) {
    if (!shards_[staged.shard].gone) return false;
    staged_bytes_ -= staged.copy.bytes.size();
    return true;
  });
}

}  // namespace cardswap
