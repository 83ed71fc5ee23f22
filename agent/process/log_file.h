#pragma once

#include <filesystem>
#include <optional>

#include "agent/process/job_user.h"
#include "migrator/base/descriptor.h"

namespace cardswap {

/// Makes <data folder>/jobs/NAME and its parent if they are missing. The agent owns both, so that
/// nobody can replace an entry by a link. Their mode lets a user open a log by name but not list
/// the folder. Throws Error{io, refused} if a link or another user's folder is in their place.
void make_job_folder(const std::filesystem::path& folder);

/// Opens a log, in a folder that is there, for appending.
///
/// A new log belongs to `owner` (none: to the agent's user), and only that user may read it. An old
/// file is never given to anybody: it is refused unless the agent's user or `owner` owns it, it has
/// one name and is no link.
/// Throws Error{io, refused} that names the file.
[[nodiscard]] Descriptor open_log(const std::filesystem::path& log,
                                  const std::optional<JobUser>& owner);

/// Opens an existing log with the flags `how` (O_RDONLY, O_RDWR), without blocking; none where
/// there is no log.
///
/// In a folder of the job's user that user makes the names: a link would make the agent show or cut
/// a file of root, and a pipe would block the agent. So only a regular file with one name is
/// opened, and in such a folder only one of its owner or of the agent's user. Throws Error{io,
/// refused} that names the file.
[[nodiscard]] Descriptor open_old_log(const std::filesystem::path& log, int how);

}  // namespace cardswap
