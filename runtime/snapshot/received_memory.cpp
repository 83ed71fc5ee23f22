#include "runtime/snapshot/received_memory.h"

#include <fmt/format.h>
#include <sys/mman.h>

#include <cstdlib>
#include <memory>

#include "migrator/base/error.h"

namespace cardswap {
namespace {

constexpr std::uint64_t kHugePage = 2U << 20;
constexpr std::uint64_t kAlignment = 64;  // of each region

/// No host has more; sums of two such sizes do not overflow.
constexpr std::uint64_t kBytesMax = 1ULL << 56;

std::uint64_t rounded_up(std::uint64_t bytes, std::uint64_t to) {
  return (bytes + to - 1) / to * to;
}

/// Where a region's memory ends that begins at the next aligned place behind `at`. Throws
/// Error{no_memory}.
std::uint64_t end_behind(std::uint64_t at, const Region& region) {
  if (at > kBytesMax || region.bytes > kBytesMax - at) {
    throw Error(Code::no_memory, fmt::format("a state with a region of {} bytes", region.bytes));
  }
  return rounded_up(at, kAlignment) + region.bytes;
}

/// Memory that nobody has written to yet; null for no bytes.
std::shared_ptr<std::byte> block_of(std::uint64_t bytes) {
  if (bytes == 0) return nullptr;
  const bool is_huge = bytes >= kHugePage;
  const auto unit = is_huge ? kHugePage : kAlignment;
  const auto size = rounded_up(bytes, unit);
  auto* const memory = static_cast<std::byte*>(std::aligned_alloc(unit, size));
  if (memory == nullptr) {
    throw Error(Code::no_memory, fmt::format("allocate {} bytes for a state", bytes));
  }
  if (is_huge) (void)::madvise(memory, size, MADV_HUGEPAGE);  // without it the pages are small
  return {memory, [](std::byte* at) { std::free(at); }};      // NOLINT: aligned_alloc()'s
}

}  // namespace

StateView ReceivedMemory::adopt(const Layout& wanted) {
  const auto kept = kept_regions(view_.layout, wanted);
  const auto& regions = wanted.regions();
  std::uint64_t fresh = 0;
  for (std::size_t i = 0; i < regions.size(); ++i) {
    if (regions[i].address != 0) {
      throw Error(Code::bad_request, "a region with an address is of a process that moves whole");
    }
    if (!kept[i]) fresh = end_behind(fresh, regions[i]);
  }
  const auto block = block_of(fresh);
  StateView next;
  next.layout = wanted;
  std::uint64_t at = 0;
  for (std::size_t i = 0; i < regions.size(); ++i) {
    if (kept[i]) {
      const auto former = static_cast<std::size_t>(*kept[i]);
      next.memory.push_back(view_.memory[former]);
      next.keep_alive.push_back(view_.keep_alive[former]);
    } else {
      at = end_behind(at, regions[i]);
      next.memory.emplace_back(block.get() + (at - regions[i].bytes), regions[i].bytes);
      next.keep_alive.push_back(block);
    }
    next.devices.push_back(shared_cpu_device());
  }
  view_ = next;
  return next;
}

}  // namespace cardswap
