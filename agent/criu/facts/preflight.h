#pragma once

#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "agent/criu/facts/process_facts.h"

namespace cardswap::criu {

/// What a driver makes of a tree's state on GPUs.
struct GpuFindings {
  std::string no_driver;                       ///< why none saves it here; empty: one does
  std::set<pid_t> saved;                       ///< processes whose state it saves
  std::map<pid_t, std::string> without_state;  ///< and its words about those that have none
  std::vector<std::string> reasons;            ///< why it cannot now
};

/// Why these processes cannot be moved from here, one sentence a cause, in words that name it;
/// empty when they can. It lists what may pass, each of which was moved in a test; whatever is not
/// known is a reason. `network_fault`: Tool::network_fault. Pure.
[[nodiscard]] std::vector<std::string> reasons_to_stay(const TreeFacts& tree,
                                                       const GpuFindings& gpus,
                                                       std::string_view network_fault = {});

/// Something that the processes need to find at the target under the same path.
struct NeededFile {
  /// What the file is needed for.
  enum class Use : std::uint8_t { mapped, read, written, folder };
  std::string path;
  Use use = Use::mapped;
  std::uint64_t bytes = 0;
  std::string build_id;  ///< of a program or library that has one
  bool operator==(const NeededFile&) const = default;
};
/// The files that these processes need, each once; build ids and sizes of mapped files are not
/// filled in. Pure.
[[nodiscard]] std::vector<NeededFile> files_needed(const TreeFacts& tree);

[[nodiscard]] std::string_view to_string(NeededFile::Use use);

}  // namespace cardswap::criu
