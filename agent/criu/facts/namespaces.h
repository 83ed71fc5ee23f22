#pragma once

#include <sys/types.h>

namespace cardswap::criu {

/// Enters the namespaces of `pid`: mount, network, IPC, UTS and control group; children of the
/// caller get its PID namespace. Throws Error{source_lost} if it is gone, Error{io}.
void enter_namespaces_of(pid_t pid);
/// The pid in its innermost PID namespace of a process that is `pid` in this one. Throws
/// Error{source_lost} if it is gone.
[[nodiscard]] pid_t innermost_pid(pid_t pid);

/// Enters a new mount namespace, in which later mounts of the host appear, and makes a new PID
/// namespace for the children. Throws Error{io}.
void leave_for_new_namespaces();
/// Prepares the first process of such a PID namespace: mounts its own /proc, and, if pid_max is
/// above 16384, lets the pids of its helpers begin 4096 below pid_max, where a restored process
/// hardly needs one. Throws Error{io}.
void become_first_process();

}  // namespace cardswap::criu
