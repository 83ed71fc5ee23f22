#pragma once

#include <filesystem>
#include <optional>

#include "agent/process/user.h"

namespace cardswap {

/// <data folder>/jobs/NAME, made where it or the one above is missing. Both are the agent's:
/// nothing in them can be replaced by a link. Who knows a log's name reaches it, nobody else can
/// list them. Throws Error{io, refused} where a link or another user's folder is in their place.
void make_job_folder(const std::filesystem::path& folder);

/// Opens a log, in a folder that is there, for appending. The caller closes.
///
/// A new one is `owner`'s (none: the agent's user), and only it may read it: no group, however many
/// share it. Nothing that was there before is given to anybody: what is no file of the agent's user
/// or of `owner`, has another name too, or is a link is refused.
/// Throws Error{io, refused} that names the file.
[[nodiscard]] int open_log(const std::filesystem::path& log, const std::optional<JobUser>& owner);

/// Opens a log that is there, by `how` (O_RDONLY, O_RDWR) and at once; the caller closes. -1: there
/// is none.
///
/// Where others than the agent may make names, in a folder that is the job's user's, a link would
/// have the agent show or punch a file of root's, and a pipe would hold it up for good: only a
/// regular file with one name passes, there of the folder's owner or the agent's user alone.
/// Throws Error{io, refused} that names the file.
[[nodiscard]] int open_old_log(const std::filesystem::path& log, int how);

}  // namespace cardswap
