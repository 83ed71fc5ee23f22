#include "migrator/store/open_store.h"

#include <fmt/format.h>

#include <filesystem>
#include <random>
#include <string>

#include "migrator/base/error.h"
#include "migrator/store/file_store.h"
#include "migrator/store/store_file.h"

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

/// Makes a name that no other store has.
std::string fresh_name() {
  std::random_device random;
  return fmt::format("{:08x}{:08x}{:08x}{:08x}", random(), random(), random(), random());
}

}  // namespace

std::unique_ptr<Store> open_store(std::string_view address) {
  auto store = std::make_unique<FileStore>(folder_at(address));
  (void)open_store(*store);
  return store;
}

std::unique_ptr<Store> open_or_create_store(std::string_view address) {
  auto store = open_or_create_file_store(folder_at(address));
  (void)ensure_store_file(*store, fresh_name());
  return store;
}

}  // namespace cardswap::store
