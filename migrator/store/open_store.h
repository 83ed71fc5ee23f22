#pragma once

#include <memory>
#include <string_view>

#include "migrator/store/store.h"

namespace cardswap::store {

/// Opens the store at `address`, "file:/FOLDER" with an absolute path. Throws Error{bad_request}
/// for another form of address, Error{not_found} if there is no store, Error{protocol_mismatch} if
/// a newer release made it in another format, Error{corrupt}, and what the store throws.
[[nodiscard]] std::unique_ptr<Store> open_store(std::string_view address);
/// Opens the store at `address`, and creates it first if there is none. Throws as open_store(), and
/// Error{refused} if the folder has other files.
[[nodiscard]] std::unique_ptr<Store> open_or_create_store(std::string_view address);

}  // namespace cardswap::store
