#pragma once

#include <cstdint>
#include <functional>
#include <string>

namespace cardswap::cli {

inline constexpr std::int64_t kLogPieceBytes = 65536;

/// A piece of a job's log, as the agent answers it. All offsets are from the log's beginning.
struct LogPiece {
  std::string data;
  std::int64_t offset = 0;  ///< of the first byte of `data`
  std::int64_t next = 0;    ///< the offset after the last byte of `data`
  std::int64_t first = 0;   ///< the first offset that is kept; older bytes were dropped
  std::int64_t size = 0;    ///< of the whole log, with the bytes that were dropped
  bool ended = false;       ///< the job is over: no more is written
};

/// Reads at most `bytes_max` bytes from `offset`; a negative offset counts from the log's end.
using ReadLog = std::function<LogPiece(std::int64_t offset, std::int64_t bytes_max)>;

/// The offset at which the last `lines` lines (at least 1) begin; of the first kept byte if there
/// are fewer. Reads backwards, no more than needed. Throws what `read` throws.
[[nodiscard]] std::int64_t offset_of_last(std::int64_t lines, const ReadLog& read);

}  // namespace cardswap::cli
