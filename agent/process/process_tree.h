#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "agent/process/process.h"

namespace cardswap {

/// The children of a process; empty if it is gone or /proc cannot be read.
[[nodiscard]] std::vector<pid_t> children_of(pid_t pid);
/// `root`, then all its descendants; empty if `root` is gone. Throws as start_time_of().
[[nodiscard]] std::vector<pid_t> tree_of(const ProcessId& root);
/// Whether `pid` is `ancestor`, or descends from it by parents that live. False also if that cannot
/// be read now.
[[nodiscard]] bool is_descendant_of(pid_t pid, const ProcessId& ancestor);
/// The last of `numbers`, the value of NSpid in /proc/PID/status: the pid in the innermost PID
/// namespace. 0: there is none.
[[nodiscard]] pid_t innermost_pid_in(const std::string& numbers);
/// The pid of `pid` in its innermost PID namespace; 0 when it is gone.
[[nodiscard]] pid_t innermost_pid_of(pid_t pid);

/// One reason against a move for each live process of `members` that does not descend from `root`:
/// CRIU moves a tree, so a process outside of the tree would stay behind. Throws as
/// start_time_of().
[[nodiscard]] std::vector<std::string> left_behind(const std::vector<ProcessId>& members,
                                                   const ProcessId& root);

/// Whether a tracer may hold a process of the tree, as CRIU does while it dumps. True also if
/// that cannot be checked now.
[[nodiscard]] bool is_traced(const ProcessId& root);
/// Sends SIGCONT to every process of the tree. Does nothing while CRIU works on it, or if that
/// cannot be checked now.
void continue_stopped(const ProcessId& root);
/// Kills every process of a stopped tree, whose job is elsewhere. Does nothing if the tree
/// cannot be read now.
void kill_tree(const ProcessId& root);

}  // namespace cardswap
