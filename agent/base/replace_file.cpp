#include "agent/base/replace_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <utility>

#include "agent/base/write_all.h"
#include "migrator/base/descriptor.h"
#include "migrator/base/os_error.h"

namespace cardswap {
namespace {

constexpr mode_t kOwnersAlone = 0600;

/// Writes the new file and flushes it; returns 0, or the errno of the step that failed.
int fill(Descriptor out, std::string_view text, const FileReplacement& how) {
  if (how.exact_mode && ::fchmod(out.get(), how.mode) != 0) return errno;
  if (const int failed = write_all(out.get(), text); failed != 0) return failed;
  if (::fsync(out.get()) != 0 || ::close(out.release()) != 0) return errno;
  return 0;
}

/// Flushes the file's folder, so that the rename is on disk. A folder that may not be read, or of
/// some file systems, cannot be flushed: if the host crashes now, the old file may come back.
void flush_folder_of(const std::filesystem::path& file) {
  const auto folder = file.has_parent_path() ? file.parent_path() : std::filesystem::path(".");
  const Descriptor at(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (at) (void)::fsync(at.get());
}

}  // namespace

int try_replace_file(const std::filesystem::path& file, std::string_view text,
                     const FileReplacement& how) {
  const auto fresh = file.string() + how.suffix;
  if (::unlink(fresh.c_str()) != 0 && errno != ENOENT) return errno;
  const auto first_mode = how.exact_mode ? how.mode & kOwnersAlone : how.mode;
  Descriptor out(
      ::open(fresh.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, first_mode));
  if (!out) return errno;
  int failed = fill(std::move(out), text, how);
  if (failed == 0 && std::rename(fresh.c_str(), file.c_str()) != 0) failed = errno;
  if (failed == 0) {
    flush_folder_of(file);
  } else {
    ::unlink(fresh.c_str());
  }
  return failed;
}

void replace_file(const std::filesystem::path& file, std::string_view text,
                  const FileReplacement& how) {
  const int failed = try_replace_file(file, text, how);
  if (failed != 0) throw os_error(fmt::format("write {}", file.string()), failed);
}

}  // namespace cardswap
