#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "agent/base/histogram.h"

namespace cardswap {

/// Writes Prometheus' text format 0.0.4, one family after the other.
///
/// Call family() once for each family, before its samples. Names are not checked: they are literals
/// of this program. Label values may hold any bytes; a byte that is not UTF-8 becomes '?'.
class Exposition {
 public:
  /// The type of a family.
  enum class Type { counter, gauge, histogram };
  using Labels = std::vector<std::pair<std::string_view, std::string>>;

  void family(std::string_view name, Type type, std::string_view help);
  /// Writes a sample of the current family. Labels with an empty value are left out: Prometheus
  /// treats them as missing.
  void sample(double value, const Labels& labels = {});
  void sample(const Histogram& histogram, const Labels& labels = {});
  /// Writes a family with one sample.
  void one(std::string_view name, Type type, std::string_view help, double value,
           const Labels& labels = {});
  [[nodiscard]] const std::string& text() const { return text_; }

 private:
  void line(std::string_view suffix, const Labels& labels, std::string_view value);

  std::string family_;
  std::string text_;
};

}  // namespace cardswap
