#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "agent/process/process.h"

namespace cardswap::criu {

[[nodiscard]] std::vector<pid_t> children_of(pid_t pid);
/// `root`, then all that descend from it; empty when it is gone.
[[nodiscard]] std::vector<pid_t> tree_of(const ProcessId& root);
/// The number of `pid` in its innermost PID namespace; 0 when it is gone.
[[nodiscard]] pid_t innermost_pid_of(pid_t pid);

/// Why each of `members` that lives and does not descend from `root` is a reason to stay: CRIU
/// moves a tree, and what is beside it would be left behind and end.
[[nodiscard]] std::vector<std::string> left_behind(const std::vector<ProcessId>& members,
                                                   const ProcessId& root);

/// Whether a tracer, CRIU while it dumps, holds a process of the tree.
[[nodiscard]] bool is_traced(const ProcessId& root);
/// Continues whatever of the tree is stopped; nothing where CRIU still works on it.
void let_go_on(const ProcessId& root);
/// Kills a stopped tree whole: all of it belongs to a job that lives elsewhere.
void kill_tree(const ProcessId& root);

}  // namespace cardswap::criu
