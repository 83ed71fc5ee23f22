#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "migrator/core/layout.h"
#include "migrator/store/manifest.h"

/// The tensors of a snapshot: their names, and where their bytes are. Pure.
namespace cardswap::tensors {

/// The tensors that a layout tells: one for each region whose dtype is known and whose shape can be
/// read, such as "[768, 2304]" or "[64, 8] strides [1, 64] from 16", and fits into its bytes; and
/// one for each kSharedTensor that fits into the region that it names. `alias_of` is the first
/// tensor with the same elements at the same places.
[[nodiscard]] std::vector<store::TensorEntry> tensors_of(const Layout& layout);

/// A tensor of a snapshot.
struct ListedTensor {
  store::TensorEntry entry;
  bool is_flat =
      false;  ///< it is a whole region whose shape is not known: an array of its elements
};
/// The tensors of the manifest's table, and behind them each region with bytes that has none there,
/// as an array. Throws Error{corrupt}, whose text names it, for a tensor that does not lie in its
/// region, or whose elements overlap and come to more than kExpandedBytesMax.
[[nodiscard]] std::vector<ListedTensor> listed_tensors(const store::Manifest& manifest);

/// The most bytes of a tensor that has some elements of its region several times.
inline constexpr std::uint64_t kExpandedBytesMax = 1U << 30;

/// A text that two tensors of a snapshot share if they have the same elements at the same places.
/// One without elements shares it with none.
[[nodiscard]] std::string elements_of(const store::TensorEntry& tensor);
/// How many elements a tensor has that listed_tensors() gave.
[[nodiscard]] std::uint64_t element_count(const store::TensorEntry& tensor);
/// The bytes of these elements.
[[nodiscard]] std::uint64_t size_in_bytes(const store::TensorEntry& tensor);
/// Whether the elements lie in the order of their indices, without gaps.
[[nodiscard]] bool is_contiguous(const store::TensorEntry& tensor);
/// A run of a region's bytes.
struct ByteRange {
  std::uint64_t begin = 0;
  std::uint64_t end = 0;
  [[nodiscard]] std::uint64_t bytes() const { return end - begin; }
};
/// The bytes of the region from the tensor's first element to its last one.
[[nodiscard]] ByteRange bytes_in_region(const store::TensorEntry& tensor);

}  // namespace cardswap::tensors
