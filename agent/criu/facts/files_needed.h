#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "agent/criu/facts/process_facts.h"

namespace cardswap::criu {

/// A file or folder that the processes need at the target under the same path.
struct NeededFile {
  /// What the file is needed for.
  enum class Use : std::uint8_t { mapped, read, written, folder };
  std::string path;
  Use use = Use::mapped;
  std::uint64_t bytes = 0;
  std::string build_id;  ///< of a program or library; empty: it has none
  bool operator==(const NeededFile&) const = default;
};
/// The files that these processes need, each once for each use; build ids and sizes of mapped files
/// are not filled in. Pure.
[[nodiscard]] std::vector<NeededFile> files_needed(const TreeFacts& tree);

[[nodiscard]] std::string_view to_string(NeededFile::Use use);

}  // namespace cardswap::criu
