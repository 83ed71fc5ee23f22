#pragma once

#include <string>
#include <vector>

namespace cardswap::cli {

/// A column of a table.
struct Column {
  std::string title;
  int rank = 0;          ///< the highest goes first when the terminal is too narrow; 0 stays
  bool numbers = false;  ///< to the right
};
using Rows = std::vector<std::vector<std::string>>;

/// The heading and a line for each row, each at most `width` characters: columns that are empty in
/// every row are left out, then those of the highest ranks until the rest fits, and what still does
/// not is cut, with '~' at its end. Bytes that would move a terminal's cursor become '?'.
[[nodiscard]] std::vector<std::string> fitted(std::vector<Column> columns, Rows rows,
                                              std::size_t width);
/// `text` in at most `width` characters, cut in the same way.
[[nodiscard]] std::string cut(std::string text, std::size_t width);

}  // namespace cardswap::cli
