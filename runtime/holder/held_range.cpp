#include "runtime/holder/held_range.h"

#include <fmt/format.h>
#include <sys/mman.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>
#include <vector>

#include "migrator/error.h"
#include "runtime/arena.h"

namespace cardswap {
namespace {

constexpr std::uint64_t kPage = 4096;
constexpr std::uint64_t kLowest = 1ULL << 20;
constexpr std::uint64_t kBytesMax = 1ULL << 40;

struct Range {
  std::uint64_t first = 0;
  std::uint64_t last = 0;  // one past
};

/// The pages that the regions need: each has a place, none is in another's.
Range range_of(const Layout& layout) {
  std::vector<Range> all;
  for (const auto& region : layout.regions()) {
    if (region.address < kLowest || region.bytes == 0 ||
        region.bytes > UINT64_MAX - kPage - region.address) {
      throw Error(Code::bad_request,
                  fmt::format("region {} of {} bytes at {:#x} is not in an arena", region.name,
                              region.bytes, region.address),
                  "the source must be asked to leave with CRIU, and run the same release");
    }
    all.push_back({region.address, region.address + region.bytes});
  }
  if (all.empty()) throw Error(Code::bad_request, "a layout without regions is no arena's");
  std::sort(all.begin(), all.end(), [](auto& a, auto& b) { return a.first < b.first; });
  for (std::size_t i = 1; i < all.size(); ++i) {
    if (all[i].first < all[i - 1].last) {
      throw Error(Code::bad_request,
                  fmt::format("two regions have the bytes at {:#x}", all[i].first));
    }
  }
  const Range range{all.front().first / kPage * kPage,
                    (all.back().last + kPage - 1) / kPage * kPage};
  if (range.last - range.first > kBytesMax) {
    throw Error(Code::bad_request, fmt::format("an arena from {:#x} to {:#x} is larger than any",
                                               range.first, range.last));
  }
  return range;
}

}  // namespace

HeldRange::~HeldRange() {
  if (bytes_ > 0) ::munmap(reinterpret_cast<void*>(base_), bytes_);  // NOLINT: agreed addresses
}

Snapshot HeldRange::adopt(const Layout& wanted) {
  const auto range = range_of(wanted);
  if (bytes_ > 0 && range.first != base_) {
    throw Error(Code::bad_request,
                fmt::format("an arena that was at {:#x} is now at {:#x}", base_, range.first));
  }
  base_ = range.first;
  if (range.last - range.first > bytes_) extend(range.last - range.first);
  Snapshot result;
  for (const auto& region : wanted.regions()) {
    auto* first = reinterpret_cast<std::byte*>(region.address);  // NOLINT: agreed addresses
    result.memory.emplace_back(first, region.bytes);
    result.keep_alive.emplace_back();
  }
  result.layout = wanted;
  return result;
}

void HeldRange::extend(std::uint64_t bytes) {
  if (!file_) {
    file_ = make_arena_file(bytes);
  } else if (::ftruncate(file_.fd(), static_cast<off_t>(bytes)) != 0) {
    throw Error(Code::io, fmt::format("grow the arena at {:#x} to {} bytes: {}", base_, bytes,
                                      std::strerror(errno)));
  }
  auto* place = reinterpret_cast<void*>(base_ + bytes_);  // NOLINT: agreed addresses
  const auto more = bytes - bytes_;
  void* got = ::mmap(place, more, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED_NOREPLACE,
                     file_.fd(), static_cast<off_t>(bytes_));
  if (got != place) {
    const auto why = got == MAP_FAILED ? std::string(std::strerror(errno)) : "it is taken";
    if (got != MAP_FAILED) ::munmap(got, more);
    throw Error(Code::refused,
                fmt::format("addresses {:#x} to {:#x}, where the job has its memory, cannot be "
                            "mapped on this host: {}",
                            base_ + bytes_, base_ + bytes, why),
                "another target, or --arrive standby");
  }
  bytes_ = bytes;
}

}  // namespace cardswap
