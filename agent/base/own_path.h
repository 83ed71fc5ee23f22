#pragma once

#include <filesystem>
#include <string>
#include <string_view>

namespace cardswap {

/// Who else than root and this process's user could put something else in place of `path`, as a
/// sentence that names the part of it: a folder or link of somebody else's on the way, or one that
/// others may write (a folder with the sticky bit, such as /tmp, only matters to whose entry it
/// is). The last part itself must not be writable by others either. Empty: nobody. An agent that is
/// not root bears folders above the last part that its group may write: many accounts are set up
/// so. Throws nothing; a path that cannot be followed is said to be so.
[[nodiscard]] std::string who_else_has(const std::filesystem::path& path);

/// For a file that this process believes: throws Error{refused} naming `what`, the file and who,
/// unless it is root's or this user's, and nobody else may write it. Links are followed; one of
/// somebody else's in its place is refused too. A missing file is left to whoever opens it.
void check_own_file(std::string_view what, const std::filesystem::path& file);

}  // namespace cardswap
