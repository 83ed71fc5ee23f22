#include "migrator/store/open_store.h"

#include <fmt/format.h>

#include <filesystem>

#include "migrator/base/error.h"
#include "migrator/store/file_store.h"

namespace cardswap::store {
namespace {

constexpr std::string_view kFile = "file:";

std::filesystem::path folder_at(std::string_view address) {
  if (address.starts_with(kFile)) {
    std::filesystem::path folder(address.substr(kFile.size()));
    if (folder.is_absolute()) return folder;
  }
  throw Error(Code::bad_request, fmt::format("'{}' is no address of a store", address),
              "write it like file:/var/lib/cardswap/store");
}

}  // namespace

std::unique_ptr<Store> open_store(std::string_view address) {
  return std::make_unique<FileStore>(folder_at(address));
}

std::unique_ptr<Store> make_store(std::string_view address) {
  return make_file_store(folder_at(address));
}

}  // namespace cardswap::store
