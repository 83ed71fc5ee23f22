#pragma once

#include <map>
#include <string>

namespace cardswap::test {

/// The content of a scrape of /metrics.
struct Scrape {
  std::map<std::string, double> samples;     ///< by name and labels, as they were written
  std::map<std::string, std::string> types;  ///< by family

  /// The value of a sample; 0 if there is none.
  [[nodiscard]] double operator[](const std::string& sample) const;
  /// The first sample whose name and labels begin with `start`; 0 if there is none.
  [[nodiscard]] double first(const std::string& start) const;
};
/// Throws std::exception if a line is not of the format, or a family or sample is there twice.
[[nodiscard]] Scrape parse_scrape(const std::string& text);

}  // namespace cardswap::test
