#include "migrator/engine/update_entry.h"

namespace cardswap {

std::uint64_t UpdateEntry::bytes() const {
  std::uint64_t sum = options.size();
  for (const auto& gradient : gradients) sum += gradient.bytes.size();
  return sum;
}

}  // namespace cardswap
