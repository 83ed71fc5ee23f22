#pragma once

#include <cstddef>
#include <filesystem>
#include <string>
#include <string_view>

namespace cardswap {

/// Who could replace `path` besides root and this process's user: a sentence that names the weak
/// part, or an empty text where nobody can. A part is weak if it is a folder or link of another
/// user, or if others may write it. In a folder with the sticky bit, such as /tmp, only the owner
/// of the entry counts. The last part itself must not be writable by others either. An agent that
/// is not root accepts that its group may write folders above the last part: many accounts are set
/// up so. Does not throw; the sentence says if the path cannot be followed.
[[nodiscard]] std::string untrusted_part_of(const std::filesystem::path& path);

/// Checks a file whose contents this process will trust. Throws Error{refused}, which names `what`,
/// the file and the other user, unless root or this user owns the file and nobody else may write
/// it. Follows links, and refuses a link of another user. Accepts a missing file: whoever opens it
/// will see that.
/// Refuses what is there and is no regular file, such as a pipe: whoever opened it could wait.
void check_own_file(std::string_view what, const std::filesystem::path& file);
/// The file's text, of at most `most` bytes (what is longer is cut one byte later). All that
/// check_own_file() asks is asked of the very file that is read, before a byte of it is; nobody can
/// keep the reader waiting. Throws Error{io} too, where it cannot be read.
[[nodiscard]] std::string read_own_file(std::string_view what, const std::filesystem::path& file,
                                        std::size_t most);

}  // namespace cardswap
