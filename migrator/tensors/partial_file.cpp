#include "migrator/tensors/partial_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <utility>

#include "migrator/base/error.h"
#include "migrator/base/os_error.h"

namespace cardswap::tensors {
namespace {

constexpr mode_t kFileMode = 0666;  // as the user's mask has it

}  // namespace

PartialFile::PartialFile(std::filesystem::path path)
    : path_(std::move(path)), partial_(with_suffix(path_, kPartial)) {
  ::unlink(partial_.c_str());  // of one that was killed
  file_.reset(
      ::open(partial_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, kFileMode));
  if (!file_) throw os_error("make " + partial_.string());
}

PartialFile::~PartialFile() {
  if (!is_kept_) ::unlink(partial_.c_str());
}

void PartialFile::write(std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const auto size = ::write(file_.get(), bytes.data(), bytes.size());
    if (size < 0 && errno == EINTR) continue;
    if (size < 0) throw os_error("write " + partial_.string());
    bytes = bytes.subspan(static_cast<std::size_t>(size));
  }
}

void PartialFile::flush() const {
  if (::fsync(file_.get()) != 0) throw os_error("flush " + partial_.string());
}

void PartialFile::keep(bool may_replace) {
  if (rename_to(may_replace) != 0) throw os_error("rename " + partial_.string());
  is_kept_ = true;
}

int PartialFile::rename_to(bool may_replace) const {
  if (!may_replace) {
    const int done =
        ::renameat2(AT_FDCWD, partial_.c_str(), AT_FDCWD, path_.c_str(), RENAME_NOREPLACE);
    if (done == 0 || (errno != EINVAL && errno != ENOSYS)) return done;
    // The file system has no such call: it was looked for at the beginning.
  }
  return ::rename(partial_.c_str(), path_.c_str());
}

void refuse_existing(const std::filesystem::path& path) {
  struct stat facts {};
  if (::lstat(path.c_str(), &facts) != 0) return;
  throw Error(Code::conflict, fmt::format("{} exists already", path.string()),
              "name another file, or let it be replaced with --force");
}

void flush_folder_of(const std::filesystem::path& path) {
  const auto folder = path.has_parent_path() ? path.parent_path() : std::filesystem::path(".");
  const Descriptor opened(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!opened || ::fsync(opened.get()) != 0) throw os_error("flush " + folder.string());
}

std::filesystem::path with_suffix(std::filesystem::path path, const char* suffix) {
  return path += suffix;
}

}  // namespace cardswap::tensors
