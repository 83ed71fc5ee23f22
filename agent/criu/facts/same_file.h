#pragma once

#include <sys/stat.h>

namespace cardswap::criu {

/// Whether two results of stat(2) are of the same file.
[[nodiscard]] inline bool is_same_file(const struct stat& one, const struct stat& other) {
  return one.st_dev == other.st_dev && one.st_ino == other.st_ino;
}

}  // namespace cardswap::criu
