#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "migrator/core/digest.h"
#include "migrator/core/layout.h"

namespace cardswap {

/// What the target holds of each chunk: nothing known, or bytes with a known digest.
///
/// Both ends keep one. The source's map decides what a round sends; nothing else calls a chunk
/// clean. A chunk is clean when the digest of the bytes *as they landed* equals the digest of the
/// bytes now. So a chunk that a training step tore while it was read is sent again. Pure; one
/// thread.
class ChunkMap {
 public:
  ChunkMap() = default;
  /// Divides `layout` as cut_into_chunks() does, and throws as that does; nothing is known yet.
  ChunkMap(const Layout& layout, std::uint64_t chunk_bytes);

  [[nodiscard]] const Layout& layout() const { return layout_; }
  [[nodiscard]] std::size_t size() const { return spans_.size(); }
  [[nodiscard]] const std::vector<ChunkSpan>& spans() const { return spans_; }
  [[nodiscard]] bool has(ChunkId chunk) const {
    return static_cast<std::size_t>(chunk) < spans_.size();
  }
  /// Throws std::out_of_range, as do all that take a ChunkId.
  [[nodiscard]] const ChunkSpan& span_of(ChunkId chunk) const {
    return spans_.at(static_cast<std::size_t>(chunk));
  }
  [[nodiscard]] std::vector<ChunkId> all() const;
  /// A region's chunks, in order.
  [[nodiscard]] std::vector<ChunkId> chunks_of(RegionId region) const;
  [[nodiscard]] std::uint64_t bytes_in(std::span<const ChunkId> chunks) const;

  /// Notes the digest that the target has told of the bytes that it holds. Throws
  /// Error{bad_request} for a chunk that there is not.
  void confirm(ChunkId chunk, const Digest& digest);
  /// Forgets what the target holds of a chunk: other bytes are on their way to it.
  void forget(ChunkId chunk) { digests_.at(static_cast<std::size_t>(chunk)).reset(); }
  void forget_all() { digests_.assign(spans_.size(), std::nullopt); }
  [[nodiscard]] const std::optional<Digest>& digest(ChunkId chunk) const {
    return digests_.at(static_cast<std::size_t>(chunk));
  }
  /// Chunks that the target lacks or holds in another version, in layout order; `now` has one each.
  [[nodiscard]] std::vector<ChunkId> differing(std::span<const Digest> now) const;

  /// The map of the layout `now`, with what is known of regions that both layouts have.
  [[nodiscard]] ChunkMap carried_over(const Layout& now) const;

 private:
  Layout layout_;
  std::uint64_t chunk_bytes_ = 0;
  std::vector<ChunkSpan> spans_;
  std::vector<std::optional<Digest>> digests_;  // one a span
};

}  // namespace cardswap
