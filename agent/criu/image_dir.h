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

/// A folder in memory without a path: a tmpfs that is not mounted anywhere. The folder and its
/// files are freed when the last process closes its descriptor, so that nothing can be left over.
class ImageDir {
 public:
  /// Throws Error{refused} without CAP_SYS_ADMIN or before Linux 5.2.
  ImageDir();

  [[nodiscard]] int fd() const { return fd_.get(); }
  /// The files of the image (*.img), without CRIU's logs. Throws Error{io}.
  [[nodiscard]] std::vector<ImageFile> files() const;
  /// How many bytes more fit in; 0 where that is not known.
  [[nodiscard]] std::uint64_t free_bytes() const;
  /// Opens a file for reading. Throws Error{io}.
  [[nodiscard]] Descriptor open(const std::string& name) const;
  /// Creates a file for writing. Throws Error{io}, also where there is one of that name.
  [[nodiscard]] Descriptor create(const std::string& name) const;
  /// Copies the log `name` to the file `path`. Does nothing where there is no log or the file
  /// cannot be written.
  void save_log(const std::string& name, const std::string& path) const;

 private:
  Descriptor fd_;
};

}  // namespace cardswap::criu
