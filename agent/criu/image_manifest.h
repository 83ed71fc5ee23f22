#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "agent/criu/image_dir.h"

namespace cardswap::criu {

/// What goes ahead of a process image: its files, and what is to be put in the place of what the
/// process had open towards its agent.
struct ImageManifest {
  std::vector<ImageFile> files;
  std::string socket;             ///< "socket:[4711]": the connection to the agent
  std::vector<std::string> logs;  ///< paths that the job's log had
  /// Processes whose state a driver saved, by their numbers in their own PID namespace.
  std::vector<std::uint32_t> saved_by_driver;
  bool operator==(const ImageManifest&) const = default;

  [[nodiscard]] std::uint64_t total_bytes() const;
};

[[nodiscard]] std::vector<std::byte> encode(const ImageManifest& manifest);
/// Throws Error{bad_request} unless every name is a plain file's, each comes once, and all of it is
/// within bounds.
[[nodiscard]] ImageManifest decode_manifest(std::span<const std::byte> bytes);

}  // namespace cardswap::criu
