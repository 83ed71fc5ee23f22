#pragma once

#include <map>
#include <string>
#include <vector>

#include "migrator/core/layout.h"
#include "migrator/store/manifest.h"
#include "migrator/tensors/tensor_table.h"

/// Which tensors of a snapshot an export has, and what they are called there. Pure.
namespace cardswap::tensors {

/// What a safetensors file calls its metadata; so no tensor of an export has this name.
inline constexpr const char* kMetadata = "__metadata__";

/// Which tensors of a snapshot are exported.
struct ExportScope {
  /// Optimizers, gradients and buffers that no state_dict has too, not only models and what else
  /// the program tracks.
  bool all = false;
  bool untie = false;      ///< tensors with the same elements are written each, not once
  std::string thing = {};  ///< only the tensors of this tracked thing; empty: of all
};

/// The tensors of an export.
///
/// A tensor of a model is called as the model's state_dict calls it if the export has one model,
/// or one thing; else, and if it is of something else, "thing/name".
struct ExportChoice {
  std::vector<ListedTensor> tensors;  ///< by their names in the export; `alias_of` is empty
  /// Tensors with the elements of one in `tensors`, and which. They are in `tensors` if they are to
  /// be untied.
  std::map<std::string, std::string> ties;
  std::vector<std::string> left_out;  ///< "thing/name" of what only ExportScope::all has
};
/// Chooses the tensors of an export. Throws Error{corrupt} as listed_tensors() does,
/// Error{not_found} for a thing that has no tensor, and Error{refused} if two would have one name.
[[nodiscard]] ExportChoice choose_tensors(const store::Manifest& manifest,
                                          const ExportScope& scope);

/// The things in a layout that are modules, in its order.
[[nodiscard]] std::vector<std::string> modules_in(const Layout& layout);
/// The things in a layout, by the part of a region's name before the first '/', that are
/// optimizers: all their regions are called as an optimizer's are ("exp_avg.0.3": tensor, group,
/// parameter), and none says that it is a module.
[[nodiscard]] std::vector<std::string> optimizers_in(const Layout& layout);

}  // namespace cardswap::tensors
