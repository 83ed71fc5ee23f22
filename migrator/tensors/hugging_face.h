#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "migrator/store/snapshot_reader.h"
#include "migrator/tensors/attached_files.h"
#include "migrator/tensors/safetensors.h"

/// A model as Hugging Face's libraries lay it out in a folder.
namespace cardswap::tensors {

/// The name of a shard's file, counted from 0: "model-00001-of-00003.safetensors", or
/// "model.safetensors" for the only one.
[[nodiscard]] std::string shard_name(std::size_t shard, std::size_t shards);
/// The index: which file has each tensor. Canonical JSON. Pure.
[[nodiscard]] std::string shard_index(const std::vector<SafetensorsPlan>& shards);

/// A folder that was written.
struct WrittenModel {
  std::vector<std::string> files;  ///< names in the folder, without sums
  std::uint64_t bytes = 0;         ///< of these files
};
/// Writes the shards to `folder`, which is made if it is not there, each with its sum as
/// write_safetensors() does; the `attached` files; and, if there are several shards,
/// "model.safetensors.index.json" as the last one. If any of these exists, throws Error{conflict}
/// before anything is written, unless `may_replace`; if there are shards of another export, it does
/// so in any case, because they would be read. Throws as write_safetensors(); then what this
/// call had written is removed.
WrittenModel write_model(const store::SnapshotReader& reader,
                         const std::vector<SafetensorsPlan>& shards,
                         const std::vector<AttachedFile>& attached,
                         const std::filesystem::path& folder, bool may_replace);

}  // namespace cardswap::tensors
