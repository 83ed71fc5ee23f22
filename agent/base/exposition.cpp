#include "agent/base/exposition.h"

#include <fmt/format.h>

#include <cmath>

#include "migrator/base/utf8.h"

namespace cardswap {
namespace {

std::string_view name_of(Exposition::Type type) {
  switch (type) {
    case Exposition::Type::counter: return "counter";
    case Exposition::Type::gauge: return "gauge";
    case Exposition::Type::histogram: return "histogram";
  }
  return "untyped";
}

std::string escaped(std::string_view text, bool quotes) {
  std::string result;
  for (const char c : text) {
    if (c == '\\') {
      result += "\\\\";
    } else if (c == '\n') {
      result += "\\n";
    } else if (c == '"' && quotes) {
      result += "\\\"";
    } else {
      result += c;
    }
  }
  return result;
}

/// Whole numbers in full, so that bytes and steps lose nothing; the shortest exact form otherwise.
std::string number(double value) {
  constexpr double kExact = 9'007'199'254'740'992;  // 2^53
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value > 0 ? "+Inf" : "-Inf";
  if (value == std::trunc(value) && std::abs(value) < kExact) return fmt::format("{:.0f}", value);
  return fmt::format("{}", value);
}

}  // namespace

void Exposition::family(std::string_view name, Type type, std::string_view help) {
  family_ = name;
  text_ +=
      fmt::format("# HELP {} {}\n# TYPE {} {}\n", name, escaped(help, false), name, name_of(type));
}

void Exposition::line(std::string_view suffix, const Labels& labels, std::string_view value) {
  text_ += family_;
  text_ += suffix;
  char before = '{';
  for (const auto& [name, content] : labels) {
    if (content.empty()) continue;
    text_ += fmt::format("{}{}=\"{}\"", before, name, escaped(as_utf8(content), true));
    before = ',';
  }
  if (before == ',') text_ += '}';
  text_ += fmt::format(" {}\n", value);
}

void Exposition::sample(double value, const Labels& labels) { line("", labels, number(value)); }

void Exposition::sample(const Histogram& histogram, const Labels& labels) {
  std::uint64_t sum = 0;
  auto with_bound = labels;
  with_bound.emplace_back("le", "");
  for (std::size_t i = 0; i < histogram.counts().size(); ++i) {
    sum += histogram.counts()[i];
    with_bound.back().second =
        i < histogram.bounds().size() ? number(histogram.bounds()[i]) : "+Inf";
    line("_bucket", with_bound, fmt::format("{}", sum));
  }
  line("_sum", labels, number(histogram.sum()));
  line("_count", labels, fmt::format("{}", sum));
}

void Exposition::one(std::string_view name, Type type, std::string_view help, double value,
                     const Labels& labels) {
  family(name, type, help);
  sample(value, labels);
}

}  // namespace cardswap
