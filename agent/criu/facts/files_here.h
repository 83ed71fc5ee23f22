#pragma once

#include <string>

#include "agent/criu/facts/preflight.h"

/// Looks at files that another host names. It runs in a process of its own (file_inspection.h), as
/// the user whom the job will be: a file system that hangs holds nobody up, and nothing is told
/// that the user could not find out.
namespace cardswap::criu {

/// What a file of another host's job is on this host.
enum class FileHere : char {
  fits = 'f',
  missing = 'n',
  differs = 'd',
  another_build = 'b',
  closed = 'c',  ///< this process's user may not open it so
  link = 'l',
};

/// Whether this process's user may open what `fd`, an O_PATH descriptor, stands for: R_OK, W_OK
/// and X_OK as of access(2). It is not opened, because that may wait or act.
[[nodiscard]] bool may_open(int fd, int access);

/// CRIU opens files as root, by their names: what this process's user may not open as the job has
/// it open is closed, and a link in a name's last place is none that the job has open. Of programs
/// and libraries it is followed: their build ids say which they are. What is no regular file (or
/// folder, where one is needed) counts as missing. Of the kernel's own file systems what everybody
/// may read is there or not; it is never opened, because that may wait or act.
[[nodiscard]] FileHere inspect_file(const NeededFile& file);

}  // namespace cardswap::criu
