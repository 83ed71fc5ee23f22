#pragma once

#include <openssl/types.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace cardswap {

/// The key with which one migration's data is encrypted. The target's agent draws it; both agents
/// and both programs know it. It is never written to a disk.
using CipherKey = std::array<std::byte, 32>;
/// The salt of a connection. The connecting side draws a new one for each connection, so that no
/// two connections use the same key with the same nonce.
using CipherSalt = std::array<std::byte, 16>;

/// Reads a key from 64 hexadecimal digits. Throws Error{bad_request}, whose text does not contain
/// `hex`.
[[nodiscard]] CipherKey cipher_key_from(std::string_view hex);
/// Draws a salt. Throws Error{internal} when OpenSSL has no random bytes.
[[nodiscard]] CipherSalt random_salt();

/// The direction in which a message is sent.
enum class Direction : std::uint8_t { source_to_target, target_to_source };

/// AES-256-GCM for one direction of one connection. The nonce is made of kind and number, and the
/// tag covers `aad`, so a message cannot be opened in another place than its own. The caller
/// counts: it must never seal two messages of one kind under one number. One thread.
class Cipher {
 public:
  static constexpr std::size_t kTagBytes = 16;
  /// What a number counts.
  enum class Kind : std::uint32_t { control = 0, payload = 1 };

  /// Derives the key of this connection and direction. Throws Error{internal} when OpenSSL fails.
  Cipher(const CipherKey& key, const CipherSalt& salt, Direction direction);

  /// Encrypts `data` in place, except its last kTagBytes, which receive the tag. `data` must have
  /// at least kTagBytes and fewer than 2 GiB. `aad` is authenticated and not encrypted. Throws
  /// Error{internal}.
  void seal(Kind kind, std::uint64_t number, std::span<const std::byte> aad,
            std::span<std::byte> data);
  /// Decrypts `data`, fewer than 2 GiB, in place and returns it without its tag. Throws
  /// Error{bad_request} for less than kTagBytes, and Error{unauthorized} when the tag does not fit
  /// key, kind, number, `aad` and `data`; the bytes in `data` must not be used then.
  [[nodiscard]] std::span<std::byte> open(Kind kind, std::uint64_t number,
                                          std::span<const std::byte> aad,
                                          std::span<std::byte> data);

 private:
  /// Frees OpenSSL's context.
  struct Free {
    void operator()(EVP_CIPHER_CTX* context) const noexcept;
  };
  std::unique_ptr<EVP_CIPHER_CTX, Free> sealing_;
  std::unique_ptr<EVP_CIPHER_CTX, Free> opening_;
};

}  // namespace cardswap
