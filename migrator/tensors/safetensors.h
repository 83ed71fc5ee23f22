#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "migrator/store/manifest.h"
#include "migrator/store/object_id.h"
#include "migrator/tensors/element_type.h"
#include "migrator/tensors/tensor_table.h"

/// What a safetensors file of a snapshot has in it. Pure.
namespace cardswap::tensors {

/// Which tensors of a snapshot are exported.
struct ExportScope {
  /// Optimizers and gradients too, not only models and what else the program tracks.
  bool all = false;
};

/// A safetensors file: its header, and the tensors whose bytes follow, one behind the other.
struct SafetensorsPlan {
  std::vector<ListedTensor> tensors;  ///< in the order of their bytes in the file
  std::vector<std::string> left_out;  ///< names of tensors that ExportScope leaves out
  std::string header;                 ///< 8 bytes of its length, then JSON, padded to 8 bytes
  std::uint64_t bytes = 0;            ///< of the whole file
};
/// Plans the file of a snapshot. Larger elements come first, so that each tensor is aligned. Throws
/// Error{corrupt} as listed_tensors() does, and Error{refused} for a name that the format does not
/// allow, two tensors of one name, or a header that its readers refuse.
[[nodiscard]] SafetensorsPlan plan_safetensors(const store::Manifest& manifest,
                                               const store::ObjectId& id, const ExportScope& scope);

/// The things in a layout, by the part of a region's name before the first '/', that are
/// optimizers: all their regions are called as an optimizer's are ("exp_avg.0.3": tensor, group,
/// parameter), and none says that it is a module.
[[nodiscard]] std::vector<std::string> optimizers_in(const Layout& layout);

}  // namespace cardswap::tensors
