#pragma once

#include <sys/types.h>

#include <vector>

#include "agent/jobs/process.h"

namespace cardswap::criu {

[[nodiscard]] std::vector<pid_t> children_of(pid_t pid);
/// `root`, then all that descend from it; empty when it is gone.
[[nodiscard]] std::vector<pid_t> tree_of(const ProcessId& root);
/// The number of `pid` in its innermost PID namespace; 0 when it is gone.
[[nodiscard]] pid_t innermost_pid_of(pid_t pid);

/// Whether a tracer, CRIU while it dumps, holds a process of the tree.
[[nodiscard]] bool is_traced(const ProcessId& root);
/// Continues whatever of the tree is stopped; nothing where CRIU still works on it.
void let_go_on(const ProcessId& root);
/// Kills a stopped tree whole: all of it belongs to a job that lives elsewhere.
void kill_tree(const ProcessId& root);

}  // namespace cardswap::criu
