#pragma once

#include <sys/types.h>

#include <string_view>
#include <utility>

namespace cardswap::criu {

/// The number after "/proc/" and what follows it; 0 where there is none.
[[nodiscard]] std::pair<pid_t, std::string_view> process_in(std::string_view path);
/// Whether `path` is a file of /dev that is shared memory.
[[nodiscard]] bool is_shared_memory_file(std::string_view path);

}  // namespace cardswap::criu
