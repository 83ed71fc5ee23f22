#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "agent/process/process.h"

namespace cardswap {

[[nodiscard]] std::vector<pid_t> children_of(pid_t pid);
/// `root`, then all its descendants; empty if `root` is gone. Throws Error{io} where nobody can
/// look now.
[[nodiscard]] std::vector<pid_t> tree_of(const ProcessId& root);
/// The number of `pid` in its innermost PID namespace; 0 when it is gone.
[[nodiscard]] pid_t innermost_pid_of(pid_t pid);

/// One reason against a move for each live process of `members` that does not descend from `root`:
/// CRIU moves a tree, so a process beside the tree would stay behind and end.
[[nodiscard]] std::vector<std::string> left_behind(const std::vector<ProcessId>& members,
                                                   const ProcessId& root);

/// Whether a tracer may hold a process of the tree, as CRIU does while it dumps: also where nobody
/// can look now.
[[nodiscard]] bool is_traced(const ProcessId& root);
/// Continues every stopped process of the tree; does nothing while CRIU works on it, or nobody can
/// look now.
void continue_stopped(const ProcessId& root);
/// Kills a stopped tree, all of it: it belongs to a job that lives elsewhere. Nobody where nobody
/// can look now.
void kill_tree(const ProcessId& root);

}  // namespace cardswap
