#pragma once

#include <string>
#include <vector>

namespace cardswap::cli {

/// A column of a table that is fitted to a terminal.
struct Column {
  std::string title;
  /// The highest rank is left out first when the terminal is too narrow; 0: it stays.
  int rank = 0;
  bool numbers = false;  ///< aligned to the right; not shortened, but a finished line may be
};
using Rows = std::vector<std::vector<std::string>>;

/// The heading and a line for each row, each of at most `width` characters. Long texts are cut. A
/// column whose rank is not 0 is left out if it is empty in every row; then those of the highest
/// rank until the rest fits; what still does not fit is cut. A cut text ends with '~'. All but
/// printable ASCII becomes '?', because it could move the cursor.
[[nodiscard]] std::vector<std::string> fitted(std::vector<Column> columns, Rows rows,
                                              std::size_t width);
/// `text` in at most `width` characters, cut and made printable in the same way.
[[nodiscard]] std::string cut(std::string text, std::size_t width);

}  // namespace cardswap::cli
