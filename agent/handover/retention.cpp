#include "agent/handover/retention.h"

namespace cardswap {

std::vector<std::size_t> to_forget(std::span<const std::int64_t> ended_at_ms, std::int64_t now_ms,
                                   const Retention& retention) {
  std::size_t over = 0;
  for (const auto at : ended_at_ms) over += at != 0 ? 1 : 0;
  std::vector<std::size_t> forgotten;
  for (std::size_t i = 0; i < ended_at_ms.size() && forgotten.size() < retention.at_once; ++i) {
    if (ended_at_ms[i] == 0) continue;
    const auto age = now_ms - ended_at_ms[i];
    const bool old = age > retention.most.count();
    const bool many = over > retention.count && age > retention.least.count();
    if (old || many || over > retention.count_most) {
      forgotten.push_back(i);
      --over;
    }
  }
  return forgotten;
}

}  // namespace cardswap
