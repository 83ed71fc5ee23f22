#include "agent/handover/base/retention.h"

#include <algorithm>
#include <map>

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
    if (old || many || over > retention.count_max) {
      forgotten.push_back(i);
      --over;
    }
  }
  return forgotten;
}

std::vector<std::size_t> to_forget(std::span<const std::int64_t> ended_at_ms,
                                   std::span<const std::string_view> makers, std::int64_t now_ms,
                                   const Retention& retention) {
  std::vector<std::size_t> forgotten;
  std::vector<std::int64_t> rest(ended_at_ms.begin(), ended_at_ms.end());
  std::map<std::string_view, std::size_t> of_maker;
  for (auto i = rest.size(); i-- > 0;) {
    if (rest[i] == 0 || makers[i].empty() || ++of_maker[makers[i]] <= retention.of_maker) continue;
    forgotten.push_back(i);
    rest[i] = 0;
  }
  const auto old = to_forget(rest, now_ms, retention);
  forgotten.insert(forgotten.end(), old.begin(), old.end());
  std::ranges::sort(forgotten);
  forgotten.resize(std::min(forgotten.size(), retention.at_once));
  return forgotten;
}

}  // namespace cardswap
