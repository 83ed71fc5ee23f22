#pragma once

#include <sys/socket.h>
#include <sys/types.h>

#include <cstdint>
#include <string_view>

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

/// Whether the instance is live, or keeps the places of ranks, and its program is that user's.
[[nodiscard]] bool is_run_by(const Instance& instance, uid_t user);

/// Throws Error{protocol_mismatch} for another version than this agent's.
void check_protocol(std::string_view program, std::uint32_t version);
/// The Error{unauthorized} for a token that is no job's of that name.
[[nodiscard]] Error no_such_job(std::string_view job);
/// Throws Error{unauthorized} unless the peer's session is the job's, or, for a job of many ranks,
/// the peer descends from the job's program.
void check_belongs(const ucred& peer, const Instance& instance, bool is_of_many);
/// Throws Error{refused, bad_request} for a rank that cannot be one of the job's.
void check_rank(const Instance& instance, const channel::Hello& hello);
/// The process of that pid, which is connected, so that nobody else can have the pid yet.
[[nodiscard]] ProcessId process_of(pid_t pid);

}  // namespace cardswap
