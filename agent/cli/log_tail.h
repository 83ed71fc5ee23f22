#pragma once

#include <cstdint>
#include <functional>
#include <string>

namespace cardswap::cli {

inline constexpr std::int64_t kLogPieceBytes = 65536;

/// A piece of a job's log, as its agent gives it.
struct LogPiece {
  std::string data;
  std::int64_t offset = 0;
  std::int64_t next = 0;   ///< the offset behind it
  std::int64_t first = 0;  ///< what was before it is gone
  std::int64_t size = 0;   ///< of the whole log
  bool ended = false;
};

/// Gives at most so many bytes at an offset, of which a negative one counts from the log's end.
using ReadLog = std::function<LogPiece(std::int64_t offset, std::int64_t bytes_max)>;

/// The offset at which the last `lines` lines of a log begin, of which there may be fewer. Reads
/// the log backwards, and no more of it than it must.
[[nodiscard]] std::int64_t offset_of_last(std::int64_t lines, const ReadLog& read);

}  // namespace cardswap::cli
