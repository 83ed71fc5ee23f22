#include "runtime/arena_relocator.h"

#include <fmt/format.h>

#include <algorithm>
#include <semaphore>
#include <set>
#include <thread>
#include <utility>

#include "migrator/base/error.h"
#include "migrator/core/wire_writer.h"
#include "migrator/device/device.h"
#include "migrator/device/digest_run.h"
#include "migrator/device/memfd_arena.h"
#include "runtime/value_block.h"

namespace cardswap {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::uint64_t kDigestedTogether = 1U << 20;

}  // namespace

ArenaRelocator::ArenaSlot& ArenaRelocator::slot_of(const std::shared_ptr<Device>& device) {
  for (const auto& slot : slots_) {
    if (slot->device == device) return *slot;
  }
  ArenaSlot slot{device->is_host() ? kHost : device->info().name, device, {}, false};
  if (device->is_host()) {
    slot.arena = MemfdArena::reserve();
  } else {
    slot.arena = device->reserve_arena(0, 0);
  }
  return *slots_.emplace_back(std::make_unique<ArenaSlot>(std::move(slot)));
}

std::vector<const ArenaRelocator::ArenaSlot*> ArenaRelocator::slots() const {
  std::vector<const ArenaSlot*> result;
  for (const auto& slot : slots_) {
    if (slot->arena->bytes() > 0) result.push_back(slot.get());
  }
  return result;
}

bool ArenaRelocator::is_away() const {
  return std::ranges::any_of(slots_, [](const auto& slot) {
    return slot->arena->bytes() > 0 && !slot->arena->is_bound();
  });
}

bool ArenaRelocator::is_home(const TrackedRegion& region) const {
  return std::ranges::any_of(slots_, [&region](const auto& slot) {
    return slot->device == region.device && slot->arena->contains(region.memory);
  });
}

std::uint64_t ArenaRelocator::relocatable_bytes() {
  std::uint64_t sum = 0;
  for (const auto& region : tracker_.regions(false)) {
    if (region.relocate || is_home(region)) sum += region.memory.size();
  }
  return sum;
}

bool ArenaRelocator::relocate_some(std::chrono::milliseconds limit) {
  return relocate(false, limit);
}

void ArenaRelocator::relocate_all() { relocate(true, std::nullopt); }

bool ArenaRelocator::relocate(bool with_scratch, std::optional<std::chrono::milliseconds> limit) {
  std::optional<Clock::time_point> start;  // of the first copy, not of the search before it
  if (!limit) {
    for (auto& slot : slots_) slot->full = false;  // there may be room by now
  }
  for (auto& region : tracker_.regions(with_scratch)) {
    if (!region.relocate || region.memory.empty() || is_home(region)) continue;
    auto& slot = slot_of(region.device);
    if (slot.full) continue;
    if (limit && start && Clock::now() - *start >= *limit) return false;
    if (!start) start = Clock::now();
    std::shared_ptr<std::span<std::byte>> block;
    try {
      block = slot.arena->allocate(region.memory.size());
    } catch (const Error& error) {
      if (error.code() != Code::refused && error.code() != Code::no_memory) throw;
      // It stays with the process. A GPU is not asked again at every boundary, which would stall
      // it.
      slot.full = error.code() == Code::no_memory;
      continue;
    }
    auto* home = block->data();
    blocks_.push_back(block);
    region.keep_alive.reset();
    region.relocate(home, std::move(block));
  }
  return true;
}

StateView ArenaRelocator::state_view(bool with_scratch) {
  StateView result;
  std::vector<Region> layout;
  auto regions = tracker_.regions(with_scratch);
  std::set<const std::byte*> sent;
  for (const auto* slot : slots()) {
    // The head marks the beginning of the range, from which a holder maps the regions.
    const auto head = slot->arena->head();
    layout.push_back({slot->name, kArenaHead, "", head.size(), slot->arena->base()});
    result.memory.push_back(head);
    result.keep_alive.push_back(slot->arena);
    result.devices.push_back(slot->device);
    for (auto& region : regions) {
      if (region.memory.empty() || region.device != slot->device ||
          !slot->arena->contains(region.memory)) {
        continue;
      }
      sent.insert(region.memory.data());
      layout.push_back({std::move(region.name), std::move(region.dtype), std::move(region.shape),
                        region.memory.size(),
                        reinterpret_cast<std::uint64_t>(region.memory.data())});
      result.memory.push_back(region.memory);
      result.keep_alive.push_back(std::move(region.keep_alive));
      result.devices.push_back(region.device);
    }
    if (!with_scratch) continue;
    // The program may still use tensors that are no longer tracked, at their addresses.
    std::erase_if(blocks_, [](const auto& block) { return block.expired(); });
    for (const auto& weak : blocks_) {
      auto block = weak.lock();
      if (!block || !slot->arena->contains(*block) || !sent.insert(block->data()).second) continue;
      const auto address = reinterpret_cast<std::uint64_t>(block->data());
      layout.push_back(
          {fmt::format("untracked/{:#x}", address), "bytes", "", block->size(), address});
      result.memory.push_back(*block);
      result.keep_alive.push_back(std::move(block));
      result.devices.push_back(slot->device);
    }
  }
  result.fence = fence_of(result.devices);
  result.layout = Layout(std::move(layout));
  return result;
}

std::pair<std::vector<MemoryRange>, Fence> ArenaRelocator::elsewhere() {
  std::vector<MemoryRange> ranges;
  std::vector<std::shared_ptr<Device>> devices;
  for (const auto& region : tracker_.regions(true)) {
    if (is_home(region)) continue;
    ranges.push_back({region.device.get(), region.memory});
    devices.push_back(region.device);
  }
  return {std::move(ranges), fence_of(devices)};
}

Digest ArenaRelocator::digest() {
  const auto moved = state_view(true);
  wire::WireWriter writer;
  writer.digest(moved.layout.digest()).digest(digest_of(save_values(tracker_.entries())));
  // On every core, because the job is frozen meanwhile.
  const auto chunks = cut_into_chunks(moved.layout, kDigestedTogether);
  std::binary_semaphore finished{0};
  const DigestRun job(ranges_of(moved, chunks), moved.fence,
                      std::max(1U, std::thread::hardware_concurrency()),
                      [&finished] { finished.release(); });
  finished.acquire();
  for (const auto& digest : job.digests()) writer.digest(digest);
  const auto [ranges, fence] = elsewhere();
  std::vector<Digest> digests(ranges.size());
  digest_ranges(ranges, digests, fence);
  for (const auto& digest : digests) writer.digest(digest);
  return digest_of(writer.bytes());
}

}  // namespace cardswap
