#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "migrator/store/json.h"
#include "migrator/store/manifest.h"
#include "migrator/store/object_id.h"
#include "migrator/tensors/exported_tensors.h"
#include "migrator/tensors/tensor_table.h"

/// What a safetensors file of a snapshot has in it. Pure.
namespace cardswap::tensors {

/// A safetensors file: its header, and the tensors whose bytes follow, one behind the other.
struct SafetensorsPlan {
  std::vector<ListedTensor> tensors;  ///< in the order of their bytes in the file
  std::string header;                 ///< 8 bytes of its length, then JSON, padded to 8 bytes
  std::uint64_t bytes = 0;            ///< of the whole file
};
/// Plans the file of a snapshot that has the tensors of `choice`. Larger elements come first, so
/// that each tensor is aligned. Throws Error{refused} for a header that the format's readers
/// refuse.
[[nodiscard]] SafetensorsPlan plan_safetensors(const store::Manifest& manifest,
                                               const store::ObjectId& id,
                                               const ExportChoice& choice);

/// Plans files that have the tensors of `choice` together, each of `shard_bytes` of tensors at
/// most, or of one tensor that is larger. At least one file. Throws as plan_safetensors().
[[nodiscard]] std::vector<SafetensorsPlan> plan_shards(const store::Manifest& manifest,
                                                       const store::ObjectId& id,
                                                       const ExportChoice& choice,
                                                       std::uint64_t shard_bytes);

/// The canonical bytes of the value as a text. Throws as store::canonical_bytes().
[[nodiscard]] std::string text_of(const store::Json& json);

}  // namespace cardswap::tensors
