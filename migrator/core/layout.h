#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "migrator/core/digest.h"

namespace cardswap {

/// The index of a region in its layout.
enum class RegionId : std::uint32_t {};
/// The index of a chunk in what cut_into_chunks() gives.
enum class ChunkId : std::uint32_t {};

/// The dtype of the region that stands for the first bytes of an arena and fixes its address. Its
/// `name` is the device as the job counts its devices: "cpu", "cuda:0". The regions that follow, up
/// to the next such head, lie in this arena.
inline constexpr const char* kArenaHead = "arena";

/// One tensor's storage, as both sides must agree on it. `bytes` may be 0.
struct Region {
  std::string name;   ///< the first tensor that uses it: "model/transformer.0.qkv.weight"
  std::string dtype;  ///< LibTorch's names, "Float", "BFloat16", "Long", ... or "bytes"
  std::string shape;  ///< for people, but compared as well: "[768, 2304]"
  std::uint64_t bytes = 0;
  std::uint64_t address = 0;  ///< where it must lie on both sides; 0: anywhere
  bool operator==(const Region&) const = default;
};

/// The regions that a job's state consists of: each once, in a fixed order. A value; source and
/// target must have the same before anything is sent. Copies share their regions, which never
/// change, so copying and comparing copies is cheap.
class Layout {
 public:
  Layout() : Layout(std::vector<Region>{}) {}
  explicit Layout(std::vector<Region> regions);
  Layout(const Layout&) = default;  // no move: a moved-from layout would have no regions
  Layout& operator=(const Layout&) = default;
  ~Layout() = default;

  [[nodiscard]] const std::vector<Region>& regions() const { return content_->regions; }
  [[nodiscard]] std::uint64_t total_bytes() const { return content_->total_bytes; }
  /// Digest of names, dtypes, shapes and sizes, and of the addresses if any region has one.
  [[nodiscard]] Digest digest() const;
  bool operator==(const Layout& other) const {
    return content_ == other.content_ || content_->regions == other.content_->regions;
  }

 private:
  /// The regions, which copies of the layout share.
  struct Content {
    std::vector<Region> regions;
    std::uint64_t total_bytes = 0;
  };
  std::shared_ptr<const Content> content_;  // owners: this and its copies
};

/// Finds for each region of `to` the equal region of `from` (same name and all other fields).
/// Nullopt: the region is new or has changed.
[[nodiscard]] std::vector<std::optional<RegionId>> kept_regions(const Layout& from,
                                                                const Layout& to);

/// Where a chunk lies: a run of one region's bytes.
struct ChunkSpan {
  RegionId region{};
  std::uint64_t offset = 0;
  std::uint32_t bytes = 0;
};

/// Cuts `layout` into chunks of `chunk_bytes`, region by region, in order; a region's last chunk
/// may be shorter, an empty region has none. ChunkId is the index into the result. Throws
/// Error{bad_request} unless chunk_bytes is a power of two from 4 KiB to 64 MiB.
[[nodiscard]] std::vector<ChunkSpan> cut_into_chunks(const Layout& layout,
                                                     std::uint64_t chunk_bytes);

/// Carries values over to another layout. `values` has one for each chunk of `from`; the result has
/// one for each chunk of `to`: the old value if `kept` (kept_regions()) has its region, else T().
/// Both layouts are cut with the same chunk size.
template <class T>
[[nodiscard]] std::vector<T> carried_over(const std::vector<T>& values,
                                          std::span<const ChunkSpan> from,
                                          std::span<const ChunkSpan> to,
                                          std::span<const std::optional<RegionId>> kept) {
  std::vector<T> result(to.size());
  std::size_t at = 0;
  for (std::size_t i = 0; i < to.size(); ++i) {
    const auto region = kept[static_cast<std::size_t>(to[i].region)];
    if (!region) continue;
    if (to[i].offset == 0) {
      const auto first = std::ranges::lower_bound(from, *region, {}, &ChunkSpan::region);
      at = static_cast<std::size_t>(first - from.begin());
    }
    result[i] = values[at++];
  }
  return result;
}

/// The differences as lines for the author of the trainer: at most `most`, and then a line with the
/// count of the rest. Empty: the layouts are equal.
[[nodiscard]] std::vector<std::string> differences(const Layout& source, const Layout& target,
                                                   std::size_t most = 8);

}  // namespace cardswap
