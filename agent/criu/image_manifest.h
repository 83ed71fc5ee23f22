#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "agent/criu/image_dir.h"

namespace cardswap::criu {

/// The first frame of a process image: the list of its files, and the descriptors towards its agent
/// that are replaced at the target.
struct ImageManifest {
  std::vector<ImageFile> files;
  std::string socket;             ///< "socket:[4711]": the process's connection to the agent
  std::vector<std::string> logs;  ///< paths of the job's log at the source
  /// Processes whose state a driver saved, by their pids in their own PID namespace.
  std::vector<std::uint32_t> saved_by_driver;
  bool operator==(const ImageManifest&) const = default;

  [[nodiscard]] std::uint64_t total_bytes() const;
};

[[nodiscard]] std::vector<std::byte> encode(const ImageManifest& manifest);
/// Reads encode(). Throws Error{bad_request} unless every name is a plain file's, each comes once,
/// and all sizes and counts are within bounds.
[[nodiscard]] ImageManifest decode_manifest(std::span<const std::byte> bytes);

}  // namespace cardswap::criu
