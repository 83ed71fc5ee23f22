#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "migrator/core/digest.h"
#include "migrator/core/layout.h"

namespace cardswap {

/// The digest of the bytes that the target holds, for each chunk, if it is known.
///
/// Both ends keep such a map. The source's map alone decides which chunks a round sends. A chunk is
/// clean when the digest of the bytes *as they landed* equals the digest of the bytes now. So a
/// chunk that changed while it was read is sent again. Pure; one thread.
class ChunkMap {
 public:
  ChunkMap() = default;
  /// Cuts `layout` as cut_into_chunks() does, and throws what that throws. No digest is known yet.
  ChunkMap(const Layout& layout, std::uint64_t chunk_bytes);

  [[nodiscard]] const Layout& layout() const { return layout_; }
  [[nodiscard]] std::size_t size() const { return spans_.size(); }
  [[nodiscard]] const std::vector<ChunkSpan>& spans() const { return spans_; }
  [[nodiscard]] bool has(ChunkId chunk) const {
    return static_cast<std::size_t>(chunk) < spans_.size();
  }
  /// Throws std::out_of_range for an unknown chunk, as all functions below that take a ChunkId do,
  /// except confirm().
  [[nodiscard]] const ChunkSpan& span_of(ChunkId chunk) const {
    return spans_.at(static_cast<std::size_t>(chunk));
  }
  [[nodiscard]] std::vector<ChunkId> all() const;
  /// A region's chunks, in order.
  [[nodiscard]] std::vector<ChunkId> chunks_of(RegionId region) const;
  [[nodiscard]] std::uint64_t bytes_in(std::span<const ChunkId> chunks) const;

  /// Notes the digest of the bytes that the target holds, as it has reported. Throws
  /// Error{bad_request} for an unknown chunk.
  void confirm(ChunkId chunk, const Digest& digest);
  /// Forgets the digest of a chunk, because other bytes are sent for it.
  void forget(ChunkId chunk) { digests_.at(static_cast<std::size_t>(chunk)).reset(); }
  void forget_all() { digests_.assign(spans_.size(), std::nullopt); }
  /// The digest of what the target holds; none: not known.
  [[nodiscard]] const std::optional<Digest>& digest(ChunkId chunk) const {
    return digests_.at(static_cast<std::size_t>(chunk));
  }
  /// The chunks whose digest here differs from that in `now` or is not known, in layout order.
  /// `now` has one digest for each chunk.
  [[nodiscard]] std::vector<ChunkId> differing(std::span<const Digest> now) const;

  /// The map for the layout `now`; keeps the digests of regions that both layouts have.
  [[nodiscard]] ChunkMap carried_over(const Layout& now) const;

 private:
  Layout layout_;
  std::uint64_t chunk_bytes_ = 0;
  std::vector<ChunkSpan> spans_;
  std::vector<std::optional<Digest>> digests_;  // one a span
};

}  // namespace cardswap
