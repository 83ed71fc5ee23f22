#pragma once

#include <sys/stat.h>
#include <sys/types.h>

#include <vector>

/// The check of restored processes before they run. CRIU opens the files of a process as root, by
/// their names, so a user who can replace such a name could have another file opened for the
/// process.
namespace cardswap::criu {

/// Throws Error{refused} that names the first file that one of `tasks` has open, maps, is in or
/// runs, and that its user could not open in that way now by its name; also where the processes
/// belong to different users, unless the first is root's. Processes of root are not checked.
/// `tasks` must be stopped and live in this process's PID namespace. `log` is the job's log, which
/// this process opened for it. Forks: only for a program with one thread. Blocks.
void check_held_files(const std::vector<pid_t>& tasks, const struct stat& log);

}  // namespace cardswap::criu
