#pragma once

#include <sys/types.h>

#include <string>

namespace cardswap {

/// Keeps the arenas' files of process `trainer` while that is dumped, serving it alone at `path`.
/// Returns the exit status once the trainer has its memory back or is gone. Throws Error.
int keep_memory(const std::string& path, pid_t trainer);

}  // namespace cardswap
