#pragma once

#include <filesystem>
#include <optional>

#include "agent/process/job_user.h"
#include "migrator/base/descriptor.h"

namespace cardswap {

/// Makes <data folder>/jobs/NAME and its parent if they are missing. The agent owns both, so that
/// nobody else can replace an entry by a link. Their mode lets a user open a log by its name but
/// not list the folder. Throws Error{io}, and Error{refused} if a link or another user's folder is
/// in their place.
void make_job_folder(const std::filesystem::path& folder);

/// Opens a log for appending, in an existing folder.
///
/// A new log belongs to `owner` (nullopt: the agent's user), and only that user may read it. The
/// owner of an existing file does not change: it is refused unless the agent's user or `owner` owns
/// it, it has one name and is no link. Throws Error{io, refused} that names the file.
[[nodiscard]] Descriptor open_log(const std::filesystem::path& log,
                                  const std::optional<JobUser>& owner);

/// Opens an existing log with the flags `how` (O_RDONLY, O_RDWR), without blocking. Returns an
/// empty Descriptor where there is no log.
///
/// In a folder that the job's user owns, that user can create entries: a link would make the agent
/// show or cut a file of root, and a pipe would block the agent. So only a regular file with one
/// name is opened, and in such a folder only a file of the folder's owner or of the agent's user.
/// Throws Error{io, refused} that names the file.
[[nodiscard]] Descriptor open_old_log(const std::filesystem::path& log, int how);

}  // namespace cardswap
