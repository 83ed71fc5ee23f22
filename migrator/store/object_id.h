#pragma once

#include <openssl/types.h>

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace cardswap::store {

/// SHA-256 of an object's or a chunk's plain bytes: its name in a store, for good. Unlike Digest it
/// stands against somebody who forges.
struct ObjectId {
  std::array<std::byte, 32> bytes{};
  auto operator<=>(const ObjectId&) const = default;
};

[[nodiscard]] ObjectId id_of(std::span<const std::byte> bytes);
/// 64 lower-case hexadecimal digits.
[[nodiscard]] std::string to_string(const ObjectId& id);
/// Reads 64 lower-case hexadecimal digits back. Throws Error{bad_request}.
[[nodiscard]] ObjectId object_id_from(std::string_view text);

/// Makes the id of bytes that come piece by piece. One thread.
class IdHasher {
 public:
  IdHasher();
  IdHasher& add(std::span<const std::byte> piece);
  /// The id of all pieces so far; begins anew.
  [[nodiscard]] ObjectId finish();

 private:
  /// Frees OpenSSL's context.
  struct Free {
    void operator()(EVP_MD_CTX* context) const noexcept;
  };
  std::unique_ptr<EVP_MD_CTX, Free> context_;
};

/// Hashes an id by its first bytes, which are as good as random.
struct IdHash {
  std::size_t operator()(const ObjectId& id) const noexcept;
};

}  // namespace cardswap::store
