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

/// A file without a place that holds `bytes`, to be read from its start: what a child is told that
/// is nobody else's to read, in no command line and on no disk. Throws Error{io}.
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
