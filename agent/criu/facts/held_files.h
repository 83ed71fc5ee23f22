#pragma once

#include <sys/stat.h>
#include <sys/types.h>

#include <vector>

/// CRIU opens as root, by its name, what a process had open; so whoever may put something else in
/// that name's place would get it opened. What came of it is looked at before anything runs.
namespace cardswap::criu {

/// Throws Error{refused} with the first thing that one of `tasks` has open, maps, is in or runs and
/// its user could not open so at this moment, by the name that it has now; and where one of them
/// belongs to another user than the first. They must not run meanwhile, and live in this process's
/// PID namespace. A user that is root may open everything. `log` is the job's, which this process
/// opened for it. Forks; of a program with one thread.
void check_held_files(const std::vector<pid_t>& tasks, const struct stat& log);

}  // namespace cardswap::criu
