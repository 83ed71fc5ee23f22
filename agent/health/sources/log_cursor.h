#pragma once

#include <sys/types.h>

#include <boost/json/object.hpp>
#include <cstdint>
#include <optional>
#include <string>

#include "agent/health/decisions/finding.h"

namespace cardswap::health {

/// How far a kernel log has been read, so that the next agent continues there. For /dev/kmsg: a
/// sequence number of one boot. For a file: an offset, and a digest of the bytes before it, which
/// finds the file again after a rotation or tells that it was replaced.
struct LogCursor {
  std::string boot;            ///< the host's boot id when it was read
  Ms at = 0;                   ///< when
  std::uint64_t sequence = 0;  ///< of the last record; files: 0
  std::uint64_t inode = 0;
  std::uint64_t offset = 0;  ///< after the last whole line
  std::string tail;          ///< digest of the bytes before it, kTailBytes at most

  static constexpr std::size_t kTailBytes = 256;
  bool operator==(const LogCursor&) const = default;
};

[[nodiscard]] boost::json::object to_json(const LogCursor& cursor);
/// Reads a place; nothing if the record has another form.
[[nodiscard]] std::optional<LogCursor> cursor_from(const boost::json::object& record);

/// The digest of the open file's bytes before `offset`; empty if the file is shorter or unreadable.
[[nodiscard]] std::string tail_of(int fd, std::uint64_t offset);

}  // namespace cardswap::health
