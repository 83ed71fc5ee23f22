#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "migrator/core/attached_name.h"
#include "migrator/store/snapshot_reader.h"

namespace cardswap::tensors {

/// A file that the program has attached to its job, such as "config.json".
struct AttachedFile {
  std::string name;  ///< as is_attachable_name() has it
  std::vector<std::byte> bytes;
};
/// The files in the values of a snapshot. Throws as SnapshotReader::values(), and Error{corrupt}
/// for values that are none.
[[nodiscard]] std::vector<AttachedFile> attached_files(const store::SnapshotReader& reader);

}  // namespace cardswap::tensors
