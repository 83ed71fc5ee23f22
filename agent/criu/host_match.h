#pragma once

#include <boost/json/object.hpp>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "agent/criu/facts/files_here.h"
#include "agent/criu/facts/preflight.h"
#include "agent/criu/gpu_match.h"

namespace cardswap::criu {

/// What processes need of the host that they come to.
struct HostNeeds {
  std::vector<std::string> cpu_features;
  std::vector<NeededFile> files;
  // filled in by whoever knows:
  std::vector<NeededGpu> gpus;    ///< GPUs that have state of theirs
  std::uint64_t image_bytes = 0;  ///< of their image, about; 0: not known
  bool operator==(const HostNeeds&) const = default;
};

/// The needs of these processes on this host, sizes and build ids filled in.
[[nodiscard]] HostNeeds needs_of(const TreeFacts& tree);

[[nodiscard]] boost::json::object to_json(const HostNeeds& needs);
/// Throws Error{bad_request}.
[[nodiscard]] HostNeeds needs_from_json(const boost::json::object& body);

/// What this host lacks of it, GPUs left out, one sentence each, at most a dozen and then a count.
/// `here_are`: what was found of its files, in their order, by `user` (empty: unnamed). `host` is
/// its name. Reads /proc/cpuinfo and /proc/meminfo.
[[nodiscard]] std::vector<std::string> what_is_missing(const HostNeeds& needs,
                                                       std::span<const FileHere> here_are,
                                                       const std::string& host,
                                                       const std::string& user = {});

}  // namespace cardswap::criu
