#include "runtime/homing.h"

#include <algorithm>
#include <semaphore>
#include <thread>
#include <utility>

#include "migrator/device.h"
#include "migrator/digest_job.h"
#include "migrator/error.h"
#include "migrator/wire/writer.h"

namespace cardswap {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::uint64_t kDigestedTogether = 1U << 20;

}  // namespace

const std::shared_ptr<Arena>& Homing::arena() {
  if (!arena_) arena_ = Arena::reserve();
  return arena_;
}

std::uint64_t Homing::homeable_bytes() {
  std::uint64_t sum = 0;
  for (const auto& region : tracker_.regions(false)) {
    if (region.rehome || (arena_ && arena_->holds(region.memory))) sum += region.memory.size();
  }
  return sum;
}

bool Homing::home_some(std::chrono::milliseconds limit) { return home(false, limit); }

void Homing::home_all() { home(true, std::nullopt); }

bool Homing::home(bool with_scratch, std::optional<std::chrono::milliseconds> limit) {
  std::optional<Clock::time_point> start;  // of the first copy: to find them may take as long
  for (auto& region : tracker_.regions(with_scratch)) {
    if (!region.rehome || region.memory.empty() || arena()->holds(region.memory)) continue;
    if (limit && start && Clock::now() - *start >= *limit) return false;
    if (!start) start = Clock::now();
    std::shared_ptr<std::span<std::byte>> block;
    try {
      block = arena()->allocate(region.memory.size());
    } catch (const Error& error) {
      if (error.code() == Code::refused) continue;  // no room: it stays with the process
      throw;
    }
    auto* home = block->data();
    region.keep_alive.reset();
    region.rehome(home, std::move(block));
  }
  return true;
}

Snapshot Homing::snapshot(bool with_scratch) {
  Snapshot result;
  // It pins the range's beginning: a holder that maps the regions maps them from there.
  const auto head = arena()->head();
  std::vector<Region> layout{{"arena", "bytes", "", head.size(), arena()->base()}};
  result.memory.push_back(head);
  result.keep_alive.push_back(arena());
  result.devices.emplace_back();
  for (auto& region : tracker_.regions(with_scratch)) {
    if (region.memory.empty() || !arena()->holds(region.memory)) continue;
    layout.push_back({std::move(region.name), std::move(region.dtype), std::move(region.shape),
                      region.memory.size(), reinterpret_cast<std::uint64_t>(region.memory.data())});
    result.memory.push_back(region.memory);
    result.keep_alive.push_back(std::move(region.keep_alive));
    result.devices.push_back(std::move(region.device));
  }
  result.fence = fence_of(result.devices);
  result.layout = Layout(std::move(layout));
  return result;
}

std::pair<std::vector<MemoryRange>, Fence> Homing::elsewhere() {
  std::vector<MemoryRange> ranges;
  std::vector<std::shared_ptr<Device>> devices;
  for (const auto& region : tracker_.regions(true)) {
    if (arena()->holds(region.memory)) continue;
    ranges.push_back({region.device ? region.device.get() : &cpu_device(), region.memory});
    devices.push_back(region.device);
  }
  return {std::move(ranges), fence_of(devices)};
}

Digest Homing::digest() {
  const auto homed = snapshot(true);
  wire::WireWriter writer;
  writer.digest(homed.layout.digest()).digest(digest_of(tracker_.save()));
  // The job stands still meanwhile: on every core.
  const auto chunks = cut_into_chunks(homed.layout, kDigestedTogether);
  std::binary_semaphore finished{0};
  const DigestJob job(ranges_of(homed, chunks), homed.fence,
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
