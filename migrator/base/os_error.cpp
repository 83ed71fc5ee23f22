#include "migrator/base/os_error.h"

#include <fmt/format.h>

#include <cerrno>
#include <cstring>

namespace cardswap {
namespace {

const char* hint_of(int number) {
  switch (number) {
    case EMFILE: return "this process has too many files open: raise its limit (ulimit -n)";
    case ENFILE: return "the host has too many files open (fs.file-max)";
    case EAGAIN:
      return "the host lets this user start no more processes or threads: look at `ulimit -u` and "
             "at the service's TasksMax";
    case ENOMEM: return "the host is short of memory: look at what uses it";
    case ENOSPC: return "the disk is full: make room";
    case EDQUOT: return "the user's quota on that disk is used up";
    case EROFS: return "the disk is read-only: look at the kernel's log for why";
    case EACCES:
    case EPERM: return "look at the owner and the rights of the file and of the folders above it";
    case ENOENT: return "look whether the file and the folders above it are there";
    default: return "look at the kernel's log (dmesg)";
  }
}

}  // namespace

Error os_error(std::string_view doing, int number) {
  return {Code::io, fmt::format("{}: {}", doing, std::strerror(number)), hint_of(number)};
}

Error os_error(std::string_view doing) { return os_error(doing, errno); }

}  // namespace cardswap
