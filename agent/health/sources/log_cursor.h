#pragma once

#include <sys/types.h>

#include <boost/json/object.hpp>
#include <cstdint>
#include <optional>
#include <string>

#include "agent/health/decisions/finding.h"

namespace cardswap::health {

/// How far a kernel log was read, so that the next agent continues there. For /dev/kmsg: a sequence
/// number in one boot. For a file: an offset, and a digest of the bytes before it, by which the
/// file is found again after a rotation, or known to be another one.
struct LogCursor {
  std::string boot;            ///< the host's boot id when it was read
  Ms at = 0;                   ///< Unix time of that
  std::uint64_t sequence = 0;  ///< of the last record that was read; 0 for files
  std::uint64_t inode = 0;
  std::uint64_t offset = 0;  ///< after the last whole line that was read
  std::string tail;          ///< digest of at most kTailBytes before `offset`

  static constexpr std::size_t kTailBytes = 256;
  bool operator==(const LogCursor&) const = default;
};

[[nodiscard]] boost::json::object to_json(const LogCursor& cursor);
/// Reads what to_json() wrote; nothing if `record` is empty or has no boot id.
[[nodiscard]] std::optional<LogCursor> cursor_from(const boost::json::object& record);

/// The digest of at most kTailBytes before `offset` of the open file; empty if it is shorter or
/// cannot be read.
[[nodiscard]] std::string tail_of(int fd, std::uint64_t offset);

}  // namespace cardswap::health
