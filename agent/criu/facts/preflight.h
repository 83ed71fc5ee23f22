#pragma once

#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "agent/criu/facts/process_facts.h"

namespace cardswap::criu {

/// The GPU driver's findings about a process tree.
struct GpuFindings {
  std::string no_driver;  ///< why no driver can save CUDA state here; empty: it can
  std::set<pid_t> saved;  ///< processes whose state it can save
  std::map<pid_t, std::string> without_state;  ///< processes without state, with its message
  std::vector<std::string> reasons;            ///< why it cannot save some state now
};

/// Why these processes cannot be moved from here, one sentence for each cause; empty: they can. It
/// allows only kinds of things that a test has moved: anything unknown is a reason.
/// `network_fault`: Tool::network_fault. Pure.
[[nodiscard]] std::vector<std::string> reasons_to_stay(const TreeFacts& tree,
                                                       const GpuFindings& gpus,
                                                       std::string_view network_fault = {});

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
/// The files that these processes need, each once; build ids and sizes of mapped files are not
/// filled in. Pure.
[[nodiscard]] std::vector<NeededFile> files_needed(const TreeFacts& tree);

[[nodiscard]] std::string_view to_string(NeededFile::Use use);

}  // namespace cardswap::criu
