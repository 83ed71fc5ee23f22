#include "agent/criu/image_dir.h"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <linux/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <memory>

#include "migrator/base/error.h"

namespace cardswap::criu {
namespace {

Error failed(const std::string& doing) {
  return {Code::io, fmt::format("{}: {}", doing, std::strerror(errno))};
}

Descriptor mounted_nowhere() {
  const Descriptor context(static_cast<int>(::syscall(SYS_fsopen, "tmpfs", FSOPEN_CLOEXEC)));
  if (!context) return {};
  const auto set = [&](unsigned command, const char* key, const char* value) {
    return ::syscall(SYS_fsconfig, context.get(), command, key, value, 0) == 0;
  };
  if (!set(FSCONFIG_SET_STRING, "mode", "0700") || !set(FSCONFIG_CMD_CREATE, nullptr, nullptr)) {
    return {};
  }
  const Descriptor mount(
      static_cast<int>(::syscall(SYS_fsmount, context.get(), FSMOUNT_CLOEXEC, 0)));
  if (!mount) return {};
  // What fsmount gives is a path only; folders are read through a descriptor of the usual kind.
  return Descriptor(::openat(mount.get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
}

}  // namespace

ImageDir::ImageDir() : fd_(mounted_nowhere()) {
  if (!fd_) {
    throw Error(
        Code::refused,
        fmt::format("make a folder in memory for the process image: {}", std::strerror(errno)),
        "moving a process needs root and Linux 5.2 or newer");
  }
}

std::vector<ImageFile> ImageDir::files() const {
  struct Close {
    void operator()(DIR* dir) const noexcept { ::closedir(dir); }
  };
  const std::unique_ptr<DIR, Close> dir(
      ::fdopendir(::openat(fd_.get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)));
  if (!dir) throw failed("list the process image");
  std::vector<ImageFile> result;
  while (const auto* entry = ::readdir(dir.get())) {
    const std::string name = entry->d_name;
    struct stat about {};
    if (::fstatat(fd_.get(), entry->d_name, &about, AT_SYMLINK_NOFOLLOW) != 0) continue;
    if (S_ISREG(about.st_mode) && name.ends_with(".img")) {
      result.push_back({name, static_cast<std::uint64_t>(about.st_size)});
    }
  }
  return result;
}

std::uint64_t ImageDir::free_bytes() const {
  struct statvfs about {};
  if (::fstatvfs(fd_.get(), &about) != 0) return 0;
  return static_cast<std::uint64_t>(about.f_bavail) * about.f_bsize;
}

Descriptor ImageDir::open(const std::string& name) const {
  Descriptor file(::openat(fd_.get(), name.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
  if (!file) throw failed("open " + name + " of the process image");
  return file;
}

Descriptor ImageDir::create(const std::string& name) const {
  Descriptor file(::openat(fd_.get(), name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  if (!file) throw failed("make " + name + " of the process image");
  return file;
}

void ImageDir::save_log(const std::string& name, const std::string& path) const {
  const Descriptor file(::openat(fd_.get(), name.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file) return;
  // It names the job's files: not for everybody who can guess the job's name.
  const Descriptor log(::open(
      path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600));
  if (!log || ::fchmod(log.get(), 0600) != 0) return;
  std::array<char, 65536> piece{};
  for (ssize_t got = 0; (got = ::read(file.get(), piece.data(), piece.size())) > 0;) {
    if (::write(log.get(), piece.data(), static_cast<std::size_t>(got)) != got) return;
  }
}

}  // namespace cardswap::criu
