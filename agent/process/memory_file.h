#pragma once

#include <sys/mman.h>

#include <cerrno>
#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <system_error>

#include "agent/base/write_all.h"
#include "migrator/base/descriptor.h"
#include "migrator/base/error.h"

namespace cardswap {

/// An anonymous file in memory with `bytes`, at offset 0. Through it a child process gets data that
/// nobody else may read, as in a command line or on a disk. `name` is for /proc only. Throws
/// Error{io}.
[[nodiscard]] inline Descriptor memory_file(const char* name, std::string_view bytes) {
  Descriptor file(::memfd_create(name, MFD_CLOEXEC));
  const int error = file ? write_all(file.get(), bytes) : errno;
  if (error != 0) {
    throw Error(Code::io, "make a file for a child: " + std::generic_category().message(error),
                "the host is short of memory or of descriptors");
  }
  ::lseek(file.get(), 0, SEEK_SET);
  return file;
}
[[nodiscard]] inline Descriptor memory_file(const char* name, std::span<const std::byte> bytes) {
  return memory_file(name,
                     std::string_view(reinterpret_cast<const char*>(bytes.data()), bytes.size()));
}

}  // namespace cardswap
