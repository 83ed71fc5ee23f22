#pragma once

#include <sys/socket.h>
#include <sys/types.h>

#include "agent/jobs/job.h"
#include "agent/process/process.h"
#include "migrator/wire/runtime_messages.h"

/// The process at the other end of a runtime's connection, as the kernel has it, and what it says
/// of its rank.
namespace cardswap {

/// The process and the user at the other end of a unix socket; zeros if the kernel does not say.
[[nodiscard]] ucred peer_of(int socket);
/// The peer's session; -1 for a process that is not in this PID namespace.
[[nodiscard]] pid_t session_of(const ucred& peer);

/// Throws Error{refused, bad_request} for a rank that cannot be one of the job's.
void check_rank(const Instance& instance, const channel::Hello& hello);
/// The process of that pid, which is connected, so that nobody else can have the pid yet.
[[nodiscard]] ProcessId process_of(pid_t pid);

}  // namespace cardswap
