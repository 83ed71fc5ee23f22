#pragma once

#include <map>
#include <string>

namespace cardswap::test {

/// What a scrape said.
struct Scrape {
  std::map<std::string, double> samples;     ///< by name and labels, as they were written
  std::map<std::string, std::string> types;  ///< by family

  /// 0 when there is none.
  [[nodiscard]] double operator[](const std::string& sample) const;
  /// The first sample that starts so; 0 when there is none.
  [[nodiscard]] double first(const std::string& start) const;
};
/// Throws std::exception for a line that is none of the format's.
[[nodiscard]] Scrape parse_scrape(const std::string& text);

}  // namespace cardswap::test
