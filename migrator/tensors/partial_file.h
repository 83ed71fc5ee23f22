#pragma once

#include <cstddef>
#include <filesystem>
#include <span>

#include "migrator/base/descriptor.h"

namespace cardswap::tensors {

/// What a file that is not whole yet has behind its name.
inline constexpr const char* kPartial = ".partial";

/// A file that becomes the one of `path` when it is kept; until then it has kPartial behind its
/// name, and is removed with this. Throws Error{io}.
class PartialFile {
 public:
  explicit PartialFile(std::filesystem::path path);
  ~PartialFile();
  PartialFile(const PartialFile&) = delete;
  PartialFile& operator=(const PartialFile&) = delete;

  void write(std::span<const std::byte> bytes);
  void flush() const;
  /// Renames it. Without `may_replace` a file that exists stays, and this throws.
  void keep(bool may_replace);

 private:
  [[nodiscard]] int rename_to(bool may_replace) const;

  const std::filesystem::path path_;
  const std::filesystem::path partial_;
  Descriptor file_;
  bool is_kept_ = false;
};

/// Throws Error{conflict} if there is a file, a link or a folder of that name.
void refuse_existing(const std::filesystem::path& path);
/// Makes the names in the folder of `path` durable. Throws Error{io}.
void flush_folder_of(const std::filesystem::path& path);
/// `path` with `suffix` behind its name.
[[nodiscard]] std::filesystem::path with_suffix(std::filesystem::path path, const char* suffix);

}  // namespace cardswap::tensors
