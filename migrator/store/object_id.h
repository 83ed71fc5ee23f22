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

/// SHA-256 of the bytes of an object, or of the plain bytes of a chunk: its permanent name in a
/// store. Unlike Digest it protects against forgery.
struct ObjectId {
  std::array<std::byte, 32> bytes{};
  auto operator<=>(const ObjectId&) const = default;
};

/// Throws Error{internal} when OpenSSL fails.
[[nodiscard]] ObjectId id_of(std::span<const std::byte> bytes);
/// 64 lower-case hexadecimal digits.
[[nodiscard]] std::string to_string(const ObjectId& id);
/// Reads 64 lower-case hexadecimal digits. Throws Error{bad_request} for any other text.
[[nodiscard]] ObjectId object_id_from(std::string_view text);

/// Computes the id of bytes that come piece by piece. One thread. Throws Error{internal} when
/// OpenSSL fails.
class IdHasher {
 public:
  IdHasher();
  IdHasher& add(std::span<const std::byte> piece);
  /// The id of all pieces so far. The next piece begins a new id.
  [[nodiscard]] ObjectId finish();

 private:
  /// Frees OpenSSL's context.
  struct Free {
    void operator()(EVP_MD_CTX* context) const noexcept;
  };
  std::unique_ptr<EVP_MD_CTX, Free> context_;
};

/// The hash of an id for unordered containers: its first bytes.
struct IdHash {
  std::size_t operator()(const ObjectId& id) const noexcept;
};

}  // namespace cardswap::store
