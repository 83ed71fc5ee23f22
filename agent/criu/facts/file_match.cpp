#include "agent/criu/facts/file_match.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <span>

#include "agent/criu/facts/build_id.h"
#include "migrator/base/descriptor.h"

namespace cardswap::criu {
namespace {

/// Reading from these asks or tells the kernel something.
bool is_of_the_kernel(const Descriptor& file) {
  constexpr auto kKinds = std::to_array<long>(
      {PROC_SUPER_MAGIC, SYSFS_MAGIC, DEBUGFS_MAGIC, TRACEFS_MAGIC, SECURITYFS_MAGIC, SELINUX_MAGIC,
       CGROUP_SUPER_MAGIC, CGROUP2_SUPER_MAGIC, BPF_FS_MAGIC, PSTOREFS_MAGIC, EFIVARFS_MAGIC,
       0x62656570 /* configfs */, BINFMTFS_MAGIC, NSFS_MAGIC, RDTGROUP_SUPER_MAGIC});
  struct statfs kind {};
  return ::fstatfs(file.get(), &kind) != 0 ||
         std::ranges::find(kKinds, static_cast<long>(kind.f_type)) != kKinds.end();
}

std::string build_id_at(const Descriptor& handle) {
  const auto name = fmt::format("/proc/self/fd/{}", handle.get());
  const Descriptor file(::open(name.c_str(), O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
  std::vector<std::byte> beginning(kBuildIdWithin);
  const auto got = file ? ::pread(file.get(), beginning.data(), beginning.size(), 0) : 0;
  return build_id_in(
      std::span(beginning).first(static_cast<std::size_t>(std::max<ssize_t>(got, 0))));
}

/// Opened without following a link in its last place.
Descriptor opened(const std::string& path) {
  return Descriptor(::open(path.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC));
}

bool may_have_it(const Descriptor& handle, NeededFile::Use use) {
  switch (use) {
    case NeededFile::Use::read: return may_open(handle.get(), R_OK);
    case NeededFile::Use::written: return may_open(handle.get(), W_OK);
    // A program may be there to be run alone, and a folder to be in.
    case NeededFile::Use::mapped:
    case NeededFile::Use::folder: break;
  }
  return may_open(handle.get(), R_OK) || may_open(handle.get(), X_OK);
}

FileMatch why_not_opened() { return errno == EACCES ? FileMatch::closed : FileMatch::missing; }

}  // namespace

bool may_open(int fd, int access) {
  return ::syscall(SYS_faccessat2, fd, "", access, AT_EACCESS | AT_EMPTY_PATH) == 0;
}

FileMatch inspect_file(const NeededFile& file) {
  auto handle = opened(file.path);
  struct stat facts {};
  if (!handle) return why_not_opened();
  if (::fstat(handle.get(), &facts) != 0) return FileMatch::missing;
  if (S_ISLNK(facts.st_mode)) {
    if (file.use != NeededFile::Use::mapped) return FileMatch::link;
    handle = Descriptor(::open(file.path.c_str(), O_PATH | O_CLOEXEC));
    if (!handle) return why_not_opened();
    if (::fstat(handle.get(), &facts) != 0) return FileMatch::missing;
  }
  const bool is_kind =
      file.use == NeededFile::Use::folder ? S_ISDIR(facts.st_mode) : S_ISREG(facts.st_mode);
  if (!is_kind) return FileMatch::missing;
  if (!may_have_it(handle, file.use)) return FileMatch::closed;
  if (is_of_the_kernel(handle)) {  // there for everybody to read, or not: it is not opened
    const bool fits = file.use == NeededFile::Use::folder ||
                      (file.build_id.empty() && facts.st_size == static_cast<off_t>(file.bytes));
    return fits && (facts.st_mode & S_IROTH) != 0 ? FileMatch::fits : FileMatch::missing;
  }
  if (file.use == NeededFile::Use::folder) return FileMatch::fits;
  if (!file.build_id.empty()) {
    return build_id_at(handle) == file.build_id ? FileMatch::fits : FileMatch::another_build;
  }
  const auto bytes = static_cast<std::uint64_t>(facts.st_size);
  // What the job appends to meanwhile grows where both hosts share it.
  const bool grows = file.use == NeededFile::Use::written && bytes > file.bytes;
  return bytes == file.bytes || grows ? FileMatch::fits : FileMatch::differs;
}

}  // namespace cardswap::criu
