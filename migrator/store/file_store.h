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

/// What a FileStore is about to do to the disk: the name of the call, the object's name. A test's
/// failpoint ends the process there, or throws in place of the call.
using BeforeFileCall = std::function<void(std::string_view call, const std::string& name)>;

/// Whether the file system has files without a name. `absent`: they are not asked for.
enum class UnnamedFiles : std::uint8_t { tried, absent };

/// A store in a folder: objects are files.
///
/// An object is written to a file without a name (O_TMPFILE), flushed, linked under its name, which
/// fails where there is one, and its folder is flushed. Where the file system has no such files, a
/// name beside the object's that list() never shows stands in for it. Links are never followed
/// below the folder: nothing outside of it is read or written, whoever else writes into it.
class FileStore final : public Store {
 public:
  /// Opens the folder, which exists. Throws Error{not_found} or Error{io}.
  explicit FileStore(std::filesystem::path folder, BeforeFileCall before = {},
                     UnnamedFiles unnamed = UnnamedFiles::tried);

  Put put_new(const std::string& name, std::span<const std::byte> bytes) override;
  std::size_t read(const std::string& name, std::uint64_t offset,
                   std::span<std::byte> into) override;
  std::optional<std::uint64_t> size_of(const std::string& name) override;
  std::vector<std::string> list(const std::string& prefix, const std::string& after,
                                std::size_t most) override;
  void remove(const std::string& name) override;
  StoreFacts facts() override;

 private:
  const std::filesystem::path folder_;
  const BeforeFileCall before_;
  const UnnamedFiles unnamed_;
  Descriptor root_;
};

/// Makes the folder where it is not there, and opens it; store_file.h says what makes it a store.
[[nodiscard]] std::unique_ptr<FileStore> make_file_store(const std::filesystem::path& folder);

}  // namespace cardswap::store
