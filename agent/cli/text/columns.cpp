#include "agent/cli/text/columns.h"

#include <algorithm>

namespace cardswap::cli {
namespace {

constexpr std::size_t kGap = 2;
/// The most characters of a text cell: a long name must not push out the figures.
std::size_t cell_max(std::size_t width) { return std::clamp<std::size_t>(width / 5, 12, 28); }

/// Other characters have no known width, or move the cursor.
std::string ascii_only(std::string text) {
  for (auto& c : text) {
    if (c < 0x20 || c > 0x7e) c = '?';
  }
  return text;
}

void remove(std::vector<Column>& columns, Rows& rows, std::size_t index) {
  const auto at = static_cast<std::ptrdiff_t>(index);
  columns.erase(columns.begin() + at);
  for (auto& row : rows) row.erase(row.begin() + at);
}

std::size_t width_of(const std::vector<Column>& columns, const Rows& rows, std::size_t index) {
  auto width = columns[index].title.size();
  for (const auto& row : rows) width = std::max(width, row[index].size());
  return width;
}

std::size_t total(const std::vector<Column>& columns, const Rows& rows) {
  std::size_t sum = 0;
  for (std::size_t i = 0; i < columns.size(); ++i) sum += width_of(columns, rows, i) + kGap;
  return sum - std::min(sum, kGap);
}

}  // namespace

std::string cut(std::string text, std::size_t width) {
  text = ascii_only(std::move(text));
  if (text.size() <= width) return text;
  if (width == 0) return "";
  text.resize(width - 1);
  return text + "~";
}

std::vector<std::string> fitted(std::vector<Column> columns, Rows rows, std::size_t width) {
  for (auto& row : rows) {
    row.resize(columns.size());
    for (std::size_t i = 0; i < row.size(); ++i) {
      row[i] = cut(std::move(row[i]), columns[i].numbers ? row[i].size() : cell_max(width));
    }
  }
  for (std::size_t i = columns.size(); i-- > 0;) {
    const bool empty =
        std::all_of(rows.begin(), rows.end(), [&](const auto& row) { return row[i].empty(); });
    if (empty && columns[i].rank > 0) remove(columns, rows, i);
  }
  const auto by_rank = [](const Column& a, const Column& b) { return a.rank < b.rank; };
  while (total(columns, rows) > width) {
    const auto least = std::max_element(columns.begin(), columns.end(), by_rank);
    if (least == columns.end() || least->rank == 0) break;
    remove(columns, rows, static_cast<std::size_t>(least - columns.begin()));
  }

  std::vector<std::string> heading;
  for (const auto& column : columns) heading.push_back(column.title);
  rows.insert(rows.begin(), heading);
  std::vector<std::string> lines;
  for (const auto& row : rows) {
    std::string line;
    for (std::size_t i = 0; i < columns.size(); ++i) {
      const std::string space(width_of(columns, rows, i) - row[i].size(), ' ');
      line += columns[i].numbers ? space + row[i] : row[i] + space;
      if (i + 1 < columns.size()) line.append(kGap, ' ');
    }
    line.resize(line.find_last_not_of(' ') + 1);
    lines.push_back(cut(std::move(line), width));
  }
  return lines;
}

}  // namespace cardswap::cli
