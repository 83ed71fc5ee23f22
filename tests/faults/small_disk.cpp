#include "tests/faults/small_disk.h"

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <stdexcept>

#include "tests/support/temp_dir.h"

namespace cardswap::test {
namespace {

// Room for a journal with its log, the agent's log and the trainers'.
constexpr auto kSize = "size=16m,mode=0755";

std::runtime_error failure(const std::string& doing) {
  return std::runtime_error(doing + ": " + std::strerror(errno));
}

}  // namespace

std::optional<std::string> SmallDisk::missing() {
  const TempDir dir;
  if (::mount("tmpfs", dir.path().c_str(), "tmpfs", 0, kSize) != 0) {
    return failure("mount a tmpfs").what();
  }
  ::umount2(dir.path().c_str(), MNT_DETACH);
  return std::nullopt;
}

SmallDisk::SmallDisk(std::filesystem::path at) : at_(std::move(at)) {
  std::filesystem::create_directories(at_);
  if (::mount("tmpfs", at_.c_str(), "tmpfs", 0, kSize) != 0) {
    throw failure("mount a tmpfs at " + at_.string());
  }
}

SmallDisk::~SmallDisk() { ::umount2(at_.c_str(), MNT_DETACH); }

void SmallDisk::fill() {
  const int file = ::open((at_ / "filler").c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
  if (file < 0) throw failure("open the filler");
  const std::array<char, 4096> page{};
  while (::write(file, page.data(), page.size()) > 0) {
  }
  const bool is_full = errno == ENOSPC;
  ::close(file);
  struct statvfs left {};
  if (!is_full || ::statvfs(at_.c_str(), &left) != 0 || left.f_bavail != 0) {
    throw std::runtime_error("the disk at " + at_.string() + " is not full");
  }
}

void SmallDisk::empty() { std::filesystem::remove(at_ / "filler"); }

}  // namespace cardswap::test
