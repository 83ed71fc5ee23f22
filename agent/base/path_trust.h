#pragma once

#include <cstddef>
#include <filesystem>
#include <string>
#include <string_view>

namespace cardswap {

/// Finds whether another user than root and this process's user could replace `path`. Returns a
/// sentence that names the weak part; empty: nobody can. A part is weak if it belongs to another
/// user or if others may write it. In a folder with the sticky bit, such as /tmp, only the owner of
/// the entry counts. The last part itself must not be writable by others either. An agent that is
/// not root accepts that its group may write folders above the last part: many accounts are set up
/// so. Does not throw for a path that cannot be followed: the sentence says that.
[[nodiscard]] std::string untrusted_part_of(const std::filesystem::path& path);

/// Checks a file whose contents this process will trust. Throws Error{refused}, which names `what`,
/// the file and the other user, unless root or this user owns the file and nobody else may write
/// it. Follows links, and refuses a link of another user. Refuses anything but a regular file, such
/// as a pipe, at which a reader could block. Accepts a missing file: the open will fail.
void check_own_file(std::string_view what, const std::filesystem::path& file);
/// The file's text. A file longer than `most` bytes is cut after `most` + 1, so that the caller can
/// see it. The opened file itself is checked like check_own_file() before a byte is read, and the
/// read cannot block on a pipe. Throws Error{refused}, and Error{io} where it cannot be read.
[[nodiscard]] std::string read_own_file(std::string_view what, const std::filesystem::path& file,
                                        std::size_t most);

}  // namespace cardswap
