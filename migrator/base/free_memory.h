#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace cardswap {

/// How many bytes the host can give to new work without swapping, by the text of /proc/meminfo.
/// Nullopt: the text does not say.
[[nodiscard]] std::optional<std::uint64_t> available_memory_in(std::string_view meminfo);

/// How many bytes a cgroup has left, by the texts of its memory.max, memory.current and
/// memory.stat; what it only caches of files counts as left. Nullopt: it has no limit, or the texts
/// do not say.
[[nodiscard]] std::optional<std::uint64_t> memory_left_in_cgroup(std::string_view max,
                                                                 std::string_view current,
                                                                 std::string_view stat);

/// How many bytes of memory this process could take now: the least of what the host has available
/// and of what its cgroup, and each one above that (version 2), has left. 0: not known.
[[nodiscard]] std::uint64_t free_memory();

}  // namespace cardswap
