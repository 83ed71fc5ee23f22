#include "migrator/device/device.h"

#include <fmt/format.h>

#include <set>

#include "migrator/base/error.h"
#include "migrator/device/arena.h"

namespace cardswap {
namespace {

/// Calls `act` with each run of neighbours that are on one device.
template <class Act>
void for_each_device(std::span<const MemoryRange> ranges, Act act) {
  for (std::size_t first = 0; first < ranges.size();) {
    auto end = first + 1;
    while (end < ranges.size() && ranges[end].device == ranges[first].device) ++end;
    act(*ranges[first].device, first, end - first);
    first = end;
  }
}

}  // namespace

std::shared_ptr<Arena> Device::reserve_arena(std::uint64_t, std::uint64_t) {
  throw Error(Code::refused, fmt::format("{} has no arenas of its own", info_.name));
}

void enter(std::span<const std::shared_ptr<Device>> devices) {
  for (const auto& device : devices) device->enter();
}

Fence fence_of(std::span<const std::shared_ptr<Device>> devices) {
  Fence fence;
  std::set<const Device*> seen;
  for (const auto& device : devices) {
    if (!seen.insert(device.get()).second) continue;
    for (auto& point : device->fence()) fence.push_back(std::move(point));
  }
  return fence;
}

void digest_ranges(std::span<const MemoryRange> ranges, std::span<Digest> digests,
                   const Fence& after) {
  for_each_device(ranges, [&](Device& device, std::size_t first, std::size_t count) {
    device.digest(ranges.subspan(first, count), digests.subspan(first, count), after);
  });
}

void read_ranges(std::span<const MemoryRange> ranges, std::byte* to, const Fence& after) {
  for_each_device(ranges, [&](Device& device, std::size_t first, std::size_t count) {
    const auto some = ranges.subspan(first, count);
    device.read(some, to, after);
    for (const auto& range : some) to += range.bytes.size();
  });
}

}  // namespace cardswap
