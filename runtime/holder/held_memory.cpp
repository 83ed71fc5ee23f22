#include "runtime/holder/held_memory.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <utility>

#include "migrator/base/error.h"
#include "migrator/device/memfd_arena.h"
#include "runtime/arena_relocator.h"

namespace cardswap {
namespace {

constexpr std::uint64_t kLowest = 1ULL << 20;
constexpr std::uint64_t kBytesMax = 1ULL << 40;
constexpr std::string_view kGpu = "cuda:";

/// A head and the regions after it, by their indices.
struct Wanted {
  std::size_t head = 0;
  std::size_t end = 0;
  std::uint64_t bytes = 0;  // from the head's address to the last region's end
};

/// The arenas of `layout`. In each, the regions lie after its head. Throws Error{bad_request} if a
/// region is in no arena or two regions overlap.
std::vector<Wanted> arenas_of(const Layout& layout) {
  struct Range {
    std::uint64_t first = 0;
    std::uint64_t last = 0;  // one past
  };
  std::vector<Wanted> arenas;
  std::vector<Range> all;
  const auto& regions = layout.regions();
  for (std::size_t i = 0; i < regions.size(); ++i) {
    const auto& region = regions[i];
    if (region.dtype == kArenaHead) arenas.push_back({i, i, 0});
    const bool placed = !arenas.empty() && region.bytes > 0 && region.bytes <= kBytesMax &&
                        region.address >= kLowest && region.address <= UINT64_MAX - 2 * kBytesMax;
    const auto base = placed ? regions[arenas.back().head].address : 0;
    if (!placed || region.address < base || region.address - base > kBytesMax) {
      throw Error(Code::bad_request,
                  fmt::format("region {} of {} bytes at {:#x} is not in an arena", region.name,
                              region.bytes, region.address),
                  "the source must be asked to leave with CRIU, and run the same release");
    }
    const auto last = region.address + region.bytes;
    all.push_back({region.address, last});
    arenas.back().end = i + 1;
    arenas.back().bytes = std::max(arenas.back().bytes, last - base);
    if (arenas.back().bytes > kBytesMax) {
      throw Error(Code::bad_request,
                  fmt::format("an arena from {:#x} to {:#x} is larger than any", base, last));
    }
  }
  if (all.empty()) throw Error(Code::bad_request, "a layout without regions is no arena's");
  std::sort(all.begin(), all.end(), [](auto& a, auto& b) { return a.first < b.first; });
  for (std::size_t i = 1; i < all.size(); ++i) {
    if (all[i].first < all[i - 1].last) {
      throw Error(Code::bad_request,
                  fmt::format("two regions have the bytes at {:#x}", all[i].first));
    }
  }
  return arenas;
}

int gpu_named(const std::string& name) {
  int index = -1;
  if (name.starts_with(kGpu)) {
    const auto* last = name.data() + name.size();
    const auto [end, error] = std::from_chars(name.data() + kGpu.size(), last, index);
    if (error == std::errc() && end == last && index >= 0) return index;
  }
  throw Error(Code::bad_request, fmt::format("an arena on '{}', which is no device", name));
}

}  // namespace

HeldMemory::Held& HeldMemory::held(const std::string& name, std::uint64_t base,
                                   std::uint64_t bytes) {
  for (auto& held : all_) {
    if (held.name != name) continue;
    if (held.arena->base() == base) return held;
    throw Error(Code::bad_request, fmt::format("an arena that was at {:#x} is now at {:#x}",
                                               held.arena->base(), base));
  }
  if (name == ArenaRelocator::kHost) {
    return all_.emplace_back(Held{name, shared_cpu_device(), MemfdArena::reserve_at(base, bytes)});
  }
  auto device = open_gpu_(gpu_named(name));
  auto arena = device->reserve_arena(base, bytes);
  return all_.emplace_back(Held{name, std::move(device), std::move(arena)});
}

StateView HeldMemory::adopt(const Layout& wanted) {
  const auto arenas = arenas_of(wanted);
  StateView result;
  for (const auto& arena : arenas) {
    const auto& head = wanted.regions()[arena.head];
    auto& held = this->held(head.name, head.address, arena.bytes);
    held.arena->ensure_bytes(arena.bytes);
    for (auto i = arena.head; i < arena.end; ++i) {
      const auto& region = wanted.regions()[i];
      auto* first = reinterpret_cast<std::byte*>(region.address);  // NOLINT: agreed addresses
      result.memory.emplace_back(first, region.bytes);
      result.keep_alive.push_back(held.arena);
      result.devices.push_back(held.device);
    }
  }
  result.layout = wanted;
  return result;
}

std::vector<memory_transfer::PassedArena> HeldMemory::passed() const {
  std::vector<memory_transfer::PassedArena> result;
  for (const auto& held : all_) {
    result.push_back({held.name, held.arena->base(), held.arena->pieces()});
  }
  return result;
}

}  // namespace cardswap
