#include "agent/cli/text/log_lines.h"

#include <algorithm>
#include <utility>

namespace cardswap::cli {

std::int64_t offset_of_last(std::int64_t lines, const ReadLog& read) {
  auto piece = read(-kLogPieceBytes, kLogPieceBytes);
  auto end = piece.data.size();
  // No line begins after the last line feed.
  if (piece.data.ends_with('\n') && piece.next == piece.size) --end;
  while (true) {
    for (; end > 0; --end) {
      if (piece.data[end - 1] == '\n' && --lines == 0) {
        return piece.offset + static_cast<std::int64_t>(end);
      }
    }
    if (piece.offset <= piece.first) return piece.offset;
    const auto at = std::max(piece.first, piece.offset - kLogPieceBytes);
    auto before = read(at, piece.offset - at);
    // The log's beginning may have been dropped meanwhile.
    if (before.offset >= piece.offset || before.data.empty()) return piece.offset;
    end = std::min(before.data.size(), static_cast<std::size_t>(piece.offset - before.offset));
    piece = std::move(before);
  }
}

}  // namespace cardswap::cli
