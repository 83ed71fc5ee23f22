#pragma once

#include <boost/json/object.hpp>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "agent/criu/facts/file_match.h"
#include "agent/criu/facts/files_needed.h"
#include "agent/criu/gpu_match.h"

namespace cardswap::criu {

/// What processes need at the host to which they move.
struct HostNeeds {
  std::vector<std::string> cpu_features;
  std::vector<NeededFile> files;
  // Filled in by examine_process():
  std::vector<NeededGpu> gpus;    ///< GPUs on which they have state
  std::uint64_t image_bytes = 0;  ///< the approximate size of their image; 0: not known
  bool operator==(const HostNeeds&) const = default;
};

/// The needs of these processes of this host, with the sizes and build ids of mapped files. Reads
/// those files, which may block.
[[nodiscard]] HostNeeds needs_of(const TreeFacts& tree);

[[nodiscard]] boost::json::object to_json(const HostNeeds& needs);
/// Reads to_json(). Throws Error{bad_request}.
[[nodiscard]] HostNeeds needs_from_json(const boost::json::object& body);

/// What this host, called `host`, lacks of `needs`, except GPUs: one sentence for each, at most a
/// dozen and then a count; empty: nothing. `here_are`: the result of inspect_files_as() for
/// `needs.files`, made as `user` (empty: not named in the text). Reads /proc/cpuinfo and
/// /proc/meminfo.
[[nodiscard]] std::vector<std::string> what_is_missing(const HostNeeds& needs,
                                                       std::span<const FileMatch> here_are,
                                                       const std::string& host,
                                                       const std::string& user = {});

}  // namespace cardswap::criu
