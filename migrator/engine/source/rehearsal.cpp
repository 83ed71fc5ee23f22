#include "migrator/engine/source/rehearsal.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <utility>

namespace cardswap {
namespace {

constexpr std::size_t kNamesMax = 6;

std::string listed(const std::vector<std::string>& names) {
  const auto shown = std::min(names.size(), kNamesMax);
  auto text =
      fmt::format("{}", fmt::join(names.begin(), names.begin() + std::ptrdiff_t(shown), ", "));
  if (names.size() > shown) text += fmt::format(" and {} more", names.size() - shown);
  return text;
}

}  // namespace

RehearsalDifference rehearsal_difference(std::uint64_t step, const ChunkMap& chunks,
                                         std::span<const ChunkId> differing,
                                         std::vector<std::string> values) {
  RehearsalDifference difference{step, std::move(values), {}, chunks.bytes_in(differing)};
  const auto& regions = chunks.layout().regions();
  for (const auto chunk : differing) {
    const auto& name = regions[static_cast<std::size_t>(chunks.span_of(chunk).region)].name;
    if (difference.regions.empty() || difference.regions.back() != name) {
      difference.regions.push_back(name);
    }
  }
  return difference;
}

std::string RehearsalDifference::text() const {
  if (empty()) return fmt::format("step {} left the same bytes at both sides", step);
  std::vector<std::string> parts;
  if (!values.empty()) parts.push_back("values: " + listed(values));
  if (!regions.empty()) {
    parts.push_back(fmt::format("tensors: {} ({} bytes in all)", listed(regions), bytes));
  }
  return fmt::format(
      "step {}, taken at both sides from the same state, left another state there: {}", step,
      fmt::join(parts, "; "));
}

std::string RehearsalDifference::hint() const {
  const char* what =
      values.empty()
          ? "the step read something that is not tracked, or is another one there: a hidden state, "
            "a "
            "position in the data, a second generator, a variable of the program, the order of "
            "parameter groups, the environment"
          : "what these hold went another way there: a generator that drew other numbers, a "
            "scheduler, a position or a variable that is not tracked, a dropout rate that was "
            "changed";
  return fmt::format("{}; docs/trainer-guide.md, \"What was forgotten?\"", what);
}

}  // namespace cardswap
