#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

namespace cardswap::bench {

enum class Better : bool { higher, lower };

/// One measured figure. A run's samples are reduced to their median; `spread` is the distance from
/// the first to the third quartile, in the same unit.
struct Figure {
  std::string name;
  std::string unit;
  std::vector<double> samples;
  std::optional<double> goal = std::nullopt;  ///< none: only for the reader's information
  Better better = Better::higher;
};

[[nodiscard]] double median(std::vector<double> samples);
/// One JSON object on one line: {"name","value","unit","goal","holds","n","spread"}; `goal` and
/// `holds` are null without a goal.
[[nodiscard]] std::string to_json(const Figure& figure);
/// The same line on stdout, at once.
void print(const Figure& figure);

/// Runs `measure` and turns what it throws into a line on stderr and exit status 1.
int run(const char* name, void (*measure)(int argc, char** argv), int argc, char** argv);

}  // namespace cardswap::bench
