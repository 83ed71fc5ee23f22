#pragma once

#include <sys/types.h>

#include <boost/json/object.hpp>
#include <cstdint>
#include <optional>
#include <string>

#include "agent/health/finding.h"

namespace cardswap::health {

/// How far a kernel log has been read, so that the next agent reads on there. /dev/kmsg: a sequence
/// number of one boot. A file: a place in it, and what stood before that place, by which the file
/// is known again when it was rotated or replaced.
struct LogPlace {
  std::string boot;            ///< the host's boot id when it was read
  Ms at = 0;                   ///< when
  std::uint64_t sequence = 0;  ///< of the last record; files: 0
  std::uint64_t inode = 0;
  std::uint64_t offset = 0;  ///< after the last whole line
  std::string tail;          ///< digest of the bytes before it, kTailBytes at most

  static constexpr std::size_t kTailBytes = 256;
  bool operator==(const LogPlace&) const = default;
};

[[nodiscard]] boost::json::object to_json(const LogPlace& place);
/// Nothing when it is no such record.
[[nodiscard]] std::optional<LogPlace> place_from(const boost::json::object& record);

/// The digest of what stands in the open file before `offset`; empty when it is shorter or
/// unreadable.
[[nodiscard]] std::string tail_of(int fd, std::uint64_t offset);
/// This boot's id; empty when the kernel does not say.
[[nodiscard]] std::string boot_id();
/// When this host was booted, in ms since 1970; 0 when the kernel does not say.
[[nodiscard]] Ms boot_time();

}  // namespace cardswap::health
