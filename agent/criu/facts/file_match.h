#pragma once

#include <string>

#include "agent/criu/facts/files_needed.h"

/// Compares files that another host names with this host's. It runs in a child process
/// (file_inspection.h) as the user of the job: a file system that hangs blocks nobody else, and the
/// result tells the other host nothing that this user could not find out.
namespace cardswap::criu {

/// How a file of this host compares with the file that a job of another host needs.
enum class FileMatch : char {
  fits = 'f',
  missing = 'n',
  differs = 'd',
  another_build = 'b',
  closed = 'c',  ///< this process's user may not open it as the job has it open
  link = 'l',    ///< its name leads to a link, which the job cannot have open
};

/// Whether this process's user may open the file of `fd`, an O_PATH descriptor. `access`: R_OK,
/// W_OK or X_OK of access(2). The file is not opened, because an open may block or have effects.
[[nodiscard]] bool may_open(int fd, int access);

/// Compares one file, as this process's user. A regular file fits if the build ids are equal, or,
/// without one, the sizes; a file that is written may be longer than needed. CRIU opens files as
/// root, by their names; so a file that this user may not open as the job has it open is `closed`,
/// and a link as the last part of the name is `link`. For programs and libraries links are
/// followed, because their build ids identify them. Anything but a regular file (or a folder, if
/// one is needed) counts as missing. A file of the kernel's own file systems fits if everybody may
/// read it and its size is the same; it is never opened, because that may block or have effects.
[[nodiscard]] FileMatch inspect_file(const NeededFile& file);

}  // namespace cardswap::criu
