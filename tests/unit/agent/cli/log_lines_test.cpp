#include "agent/cli/text/log_lines.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string_view>

namespace cardswap::cli {
namespace {

/// A log that is all there, or whose beginning is gone, and who reads it.
struct Log {
  std::string text;
  std::int64_t first = 0;
  std::int64_t read = 0;

  LogPiece piece(std::int64_t offset, std::int64_t bytes_max) {
    const auto size = static_cast<std::int64_t>(text.size());
    if (offset < 0) offset = std::max<std::int64_t>(0, size + offset);
    offset = std::clamp(offset, first, size);
    LogPiece piece{
        text.substr(static_cast<std::size_t>(offset), static_cast<std::size_t>(bytes_max)),
        offset,
        0,
        first,
        size,
        false};
    piece.next = offset + static_cast<std::int64_t>(piece.data.size());
    read += static_cast<std::int64_t>(piece.data.size());
    return piece;
  }
  std::string last(std::int64_t lines) {
    const auto at = offset_of_last(
        lines, [this](std::int64_t offset, std::int64_t most) { return piece(offset, most); });
    return text.substr(static_cast<std::size_t>(at));
  }
};

std::string lines_of(int count, std::size_t bytes) {
  std::string text;
  for (int i = 0; i < count; ++i) text += std::to_string(i) + std::string(bytes, 'x') + "\n";
  return text;
}

TEST(LogTail, HasAsManyLinesAsAreAskedForHoweverLongTheyAre) {
  for (const std::size_t bytes : {0U, 10U, 1'000U, 65'530U, 200'000U}) {
    Log log{.text = lines_of(40, bytes)};
    for (const int lines : {1, 2, 10, 39}) {
      const auto last = log.last(lines);
      EXPECT_EQ(std::ranges::count(last, '\n'), lines) << bytes;
      EXPECT_TRUE(last.starts_with(std::to_string(40 - lines) + std::string(bytes, 'x') + "\n"));
    }
    EXPECT_EQ(log.last(40), log.text);
    EXPECT_EQ(log.last(1000), log.text);
  }
}

TEST(LogTail, CountsALineThatIsNotOverYet) {
  Log log{.text = "a\nb\nc"};
  EXPECT_EQ(log.last(1), "c");
  EXPECT_EQ(log.last(2), "b\nc");
  Log empty;
  EXPECT_EQ(empty.last(3), "");
  Log blank{.text = "a\n\n\n"};
  EXPECT_EQ(blank.last(2), "\n\n");
}

TEST(LogTail, BeginsWhereTheLogBeginsThatIsLeft) {
  Log log{.text = std::string(100'000, '\0') + lines_of(5, 10), .first = 99'990};
  EXPECT_EQ(std::ranges::count(log.last(3), '\n'), 3);
  EXPECT_EQ(log.last(1000).size(), log.text.size() - 99'990);
}

TEST(LogTail, ReadsNoMoreThanItMust) {
  Log log{.text = lines_of(100'000, 100)};
  (void)log.last(10);
  EXPECT_LT(log.read, 100'000);
}

}  // namespace
}  // namespace cardswap::cli
