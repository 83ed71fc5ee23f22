#pragma once

#include <sys/types.h>

namespace cardswap::criu {

/// Enters what `pid` lives in: mounts, network, IPC, names, control groups; children of the caller
/// get its PID namespace. Throws Error{source_lost, io}.
void enter_namespaces_of(pid_t pid);
/// The number of `pid`, one of this process's PID namespace, in its innermost PID namespace.
/// Throws Error{source_lost}.
[[nodiscard]] pid_t innermost_pid(pid_t pid);

/// Makes a new mount namespace, in which later mounts of the host appear, and a new PID namespace
/// for the children. Throws Error{io}.
void leave_for_new_namespaces();
/// Settles its first process: a /proc of its own, and numbers for its helpers far from those which
/// a restored process may want back. Throws Error{io}.
void settle_as_first_process();

}  // namespace cardswap::criu
