#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "migrator/store/snapshot_reader.h"
#include "migrator/tensors/safetensors.h"

namespace cardswap::tensors {

/// A file that was written.
struct WrittenFile {
  std::uint64_t bytes = 0;
  store::ObjectId sha256;
};

/// Writes a snapshot to `file` by its plan, and "FILE.sha256" in the format of sha256sum beside it.
///
/// Both are written under a name with ".partial" behind, flushed, and renamed: a reader finds the
/// whole file or none. If anything fails before that, both are removed. If either exists already,
/// throws Error{conflict} before anything is written, unless `may_replace`. Throws Error{io}, and
/// as TensorReader::read() with the tensor's name in the text: no byte is written that was not
/// checked.
WrittenFile write_safetensors(const store::SnapshotReader& reader, const SafetensorsPlan& plan,
                              const std::filesystem::path& file, bool may_replace);

}  // namespace cardswap::tensors
