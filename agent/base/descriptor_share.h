#pragma once

#include <sys/resource.h>

#include <algorithm>
#include <cstddef>

namespace cardswap {

/// One `part`th of the descriptors that this process may have, but at most `most` and at least 1.
[[nodiscard]] inline std::size_t share_of_descriptors(std::size_t part, std::size_t most) {
  rlimit allowed{};
  if (::getrlimit(RLIMIT_NOFILE, &allowed) != 0) return most;
  return std::clamp<std::size_t>(allowed.rlim_cur / part, 1, most);
}

}  // namespace cardswap
