#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "migrator/base/descriptor.h"
#include "migrator/store/store.h"

namespace cardswap::store {

/// Called before each call of a FileStore that changes the disk, with the call's name and the
/// object's. A failpoint of a test ends the process there, or throws instead of the call.
using BeforeFileCall = std::function<void(std::string_view call, const std::string& name)>;

/// Whether a FileStore tries to use files without a name (O_TMPFILE).
enum class UnnamedFiles : std::uint8_t { tried, absent };

/// A store in a folder: each object is a file.
///
/// An object is written to a file without a name (O_TMPFILE) and flushed. The file is then linked
/// under the object's name, which fails if that name exists, and the folder is flushed. If the file
/// system has no files without a name, a file with a temporary name in the same folder, which
/// list() never shows, is used instead. After the flush the file's pages are dropped from the
/// kernel's cache (POSIX_FADV_DONTNEED): the next read comes from the disk, and finds what it has
/// lost or changed, though not what is still in the disk's own cache only. That is advice: the
/// kernel may keep pages, and a file system in memory keeps all. Symbolic links below the folder
/// are never followed: nothing outside of it is read or written, even if somebody else writes into
/// it.
class FileStore final : public Store {
 public:
  /// Opens a folder that exists. Throws Error{not_found} or Error{io}.
  explicit FileStore(std::filesystem::path folder, BeforeFileCall before = {},
                     UnnamedFiles unnamed = UnnamedFiles::tried);

  PutResult put_new(const std::string& name, std::span<const std::byte> bytes) override;
  PutResult put_new_from(const std::string& name, Pieces pieces) override;
  std::size_t read(const std::string& name, std::uint64_t offset,
                   std::span<std::byte> into) override;
  void read_soon(const std::string& name, std::uint64_t offset,
                 std::uint64_t bytes) noexcept override;
  std::optional<std::uint64_t> size_of(const std::string& name) override;
  std::vector<std::string> list(const std::string& prefix, const std::string& after,
                                std::size_t most) override;
  std::vector<std::string> folders(const std::string& prefix) override;
  void remove(const std::string& name) override;
  StoreFacts facts() override;

 private:
  /// Opens the folder of a prefix. Empty: there is none. Throws as list().
  [[nodiscard]] Descriptor open_folder(const std::string& prefix) const;

  const std::filesystem::path folder_;
  const BeforeFileCall before_;
  const UnnamedFiles unnamed_;
  Descriptor root_;
};

/// Opens the folder, and creates it first if it does not exist. Throws Error{io}.
/// ensure_store_file() then makes it a store.
[[nodiscard]] std::unique_ptr<FileStore> open_or_create_file_store(
    const std::filesystem::path& folder);

}  // namespace cardswap::store
