#pragma once

#include <memory>
#include <string_view>

#include "migrator/store/store.h"

namespace cardswap::store {

/// The store at `address`, "file:/FOLDER". Throws Error{bad_request} for an address of no kind that
/// there is, Error{not_found} where there is no store, Error{protocol_mismatch, corrupt} for one
/// that cannot be read.
[[nodiscard]] std::unique_ptr<Store> open_store(std::string_view address);
/// Opens the store at `address`, and makes it where there is none. Throws as open_store() does, and
/// Error{refused} for a folder with other things in it, Error{io, no_memory} of the disk.
[[nodiscard]] std::unique_ptr<Store> make_store(std::string_view address);

}  // namespace cardswap::store
