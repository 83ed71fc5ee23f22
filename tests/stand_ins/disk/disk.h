#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "migrator/base/mutex.h"

namespace cardswap::stand_in_disk {

/// What a call about a file does to the disk.
enum class Kind : std::uint8_t { look, change, write, flush };

/// What becomes of a call: it goes on, it fails with `error`, or it writes half and is the last.
struct Answer {
  int error = 0;
  bool half = false;
};

/// What is done at the n-th call.
enum class Deed : std::uint8_t {
  nothing,
  kill,       ///< the process ends before the call
  half,       ///< the call, a write, writes half of its bytes; then the process ends
  cut,        ///< the power ends before the call: names and bytes that were not flushed are lost
  cut_bytes,  ///< the same, and the names are there all the same: they have no bytes
  fail,       ///< the call fails with EIO; bytes that a flush failed for are lost
  full,       ///< from this one on all calls that need room, or change anything, fail
  shorten     ///< from this one on reads and writes take few bytes, and are interrupted before
};

/// The calls about files below one folder, as the environment says:
///
///   DISK_FOLDER   the folder; other files are as they are
///   DISK_CALLS    a file: a line for each call, its kind, its name, its path
///   DISK_DOES     kill, half, cut, cut_bytes, EIO, ENOSPC, EDQUOT, EROFS or shorten
///   DISK_AT       n, from 0
///   DISK_UNNAMED  absent: this file system has no files without a name (O_TMPFILE)
class Disk {
 public:
  Disk();

  /// Before a call about `path`. Does not return where the process ends there.
  [[nodiscard]] Answer before(const char* call, const std::string& path, Kind kind);
  /// How many of `bytes` a read or write takes; 0: it is interrupted.
  [[nodiscard]] std::size_t piece(const std::string& path, std::size_t bytes);
  [[nodiscard]] bool has_unnamed(const std::string& path) const;
  /// The half of a write is done.
  [[noreturn]] void end();

  // What has happened, for a later cut of the power.
  void wrote(int file);
  void flushed(int file);
  void flush_failed(int file);
  void made(const std::string& path);    ///< a folder, or a file's name
  void linked(const std::string& path);  ///< a name for a file
  /// Instead of unlinkat(): keeps the file for its return.
  [[nodiscard]] std::optional<int> removed(const std::string& path);

 private:
  using File = std::pair<dev_t, ino_t>;
  /// A change of a folder that was not flushed.
  struct Change {
    std::string path;
    std::string kept;  ///< where a removed file is; empty: the path was made
  };

  [[nodiscard]] bool is_below(const std::string& path) const;
  void lose_what_was_not_flushed();

  Mutex mutex_;  // of what follows: a program may write on several threads
  std::string folder_;
  int calls_to_ = -1;
  Deed deed_ = Deed::nothing;
  int error_ = 0;
  std::uint64_t at_ = 0;
  bool unnamed_ = true;
  std::uint64_t calls_ = 0;
  std::uint64_t pieces_ = 0;
  bool ending_ = false;
  std::vector<Change> changes_;
  std::vector<std::pair<std::string, File>> names_;
  std::set<File> dirty_;
};

/// The one of this process.
[[nodiscard]] Disk& disk();

/// The path of an open file, as the kernel tells it; of a path relative to a folder.
[[nodiscard]] std::string path_of(int file);
[[nodiscard]] std::string path_at(int folder, const char* path);

/// The C library's own call: real<int(int)>("fsync")(file).
[[nodiscard]] void* real_call(const char* name);
template <class Function>
[[nodiscard]] Function* real(const char* name) {
  return reinterpret_cast<Function*>(real_call(name));
}

}  // namespace cardswap::stand_in_disk
