#include "runtime/snapshot_memory.h"

#include <array>
#include <charconv>
#include <limits>
#include <utility>

#include "migrator/base/environment.h"
#include "migrator/base/free_memory.h"

namespace cardswap {
namespace {

/// The keeper on the same host takes the state once more, and the program may grow.
constexpr std::uint64_t kShareOfFree = 4;

constexpr std::array<std::pair<std::string_view, unsigned>, 5> kUnits{
    {{"", 0}, {"B", 0}, {"KiB", 10}, {"MiB", 20}, {"GiB", 30}}};

}  // namespace

std::optional<std::uint64_t> memory_size_in(std::string_view text) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end == text.data()) return std::nullopt;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  for (const auto& [unit, shift] : kUnits) {
    if (text != unit) continue;
    if (value > std::numeric_limits<std::uint64_t>::max() >> shift) return std::nullopt;
    return value << shift;
  }
  return std::nullopt;
}

std::uint64_t snapshot_memory() {
  const auto set = memory_size_in(environment::value_of(environment::kSnapshotMemory));
  return set ? *set : free_memory() / kShareOfFree;
}

}  // namespace cardswap
