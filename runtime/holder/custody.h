#pragma once

#include <sys/types.h>

#include <string>

namespace cardswap {

/// Keeps the files of the arenas of process `trainer` while that process is dumped. Serves only
/// that process, at the socket `path`. Returns 0, as the exit status, when the trainer has its
/// memory back or is gone. Throws Error{bad_request} if there is no such process, and Error{io} for
/// the socket.
int take_custody(const std::string& path, pid_t trainer);

}  // namespace cardswap
