#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "migrator/base/descriptor.h"

namespace cardswap::criu {

/// A file of a process image. Names hold no slash.
struct ImageFile {
  std::string name;
  std::uint64_t bytes = 0;
  bool operator==(const ImageFile&) const = default;
};

/// A folder in memory without a path: a tmpfs that is mounted nowhere. The folder and all its files
/// go when the last process closes its descriptor, so nothing is ever left over.
class ImageDir {
 public:
  /// Throws Error{refused}: needs CAP_SYS_ADMIN and Linux 5.2.
  ImageDir();

  [[nodiscard]] int fd() const { return fd_.get(); }
  /// What CRIU wrote, its logs left out. Throws Error{io}.
  [[nodiscard]] std::vector<ImageFile> files() const;
  [[nodiscard]] std::uint64_t free_bytes() const;
  /// Throws Error{io}.
  [[nodiscard]] Descriptor open(const std::string& name) const;
  [[nodiscard]] Descriptor create(const std::string& name) const;
  /// Copies `name`, a log, to a file; nothing where there is none.
  void save_log(const std::string& name, const std::string& path) const;

 private:
  Descriptor fd_;
};

}  // namespace cardswap::criu
