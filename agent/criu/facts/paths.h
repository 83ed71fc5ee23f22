#pragma once

#include <sys/types.h>

#include <string_view>
#include <utility>

namespace cardswap::criu {

/// The pid after "/proc/" in `path`, and the rest of the path behind it; 0 where there is no pid.
[[nodiscard]] std::pair<pid_t, std::string_view> process_in(std::string_view path);
/// Whether `path` is in /dev/shm.
[[nodiscard]] bool is_shared_memory_file(std::string_view path);

}  // namespace cardswap::criu
