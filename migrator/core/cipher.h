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

/// What one migration's data is sealed with. Drawn by the target's agent, known to both agents and
/// both programs, never written down.
using CipherKey = std::array<std::byte, 32>;
/// The salt of a connection, which whoever connects draws anew, so that no connection repeats
/// another's nonces.
using CipherSalt = std::array<std::byte, 16>;

/// Reads a key from 64 hexadecimal digits. Throws Error{bad_request} that does not repeat them.
[[nodiscard]] CipherKey cipher_key_from(std::string_view hex);
[[nodiscard]] CipherSalt random_salt();

/// The way that a text goes.
enum class Direction : std::uint8_t { source_to_target, target_to_source };

/// Seals texts by AES-256-GCM, for one direction of one connection. The nonce has what the number
/// was used for and the tag covers `clear`, so a text does not open in another place. The caller
/// counts: it seals no two texts of a kind under one number. One thread.
class Cipher {
 public:
  static constexpr std::size_t kTagBytes = 16;
  /// What a number counts.
  enum class Kind : std::uint32_t { control = 0, bulk = 1 };

  Cipher(const CipherKey& key, const CipherSalt& salt, Direction direction);

  /// Seals in place; the last kTagBytes of `text` are room for the tag.
  void seal(Kind kind, std::uint64_t number, std::span<const std::byte> clear,
            std::span<std::byte> text);
  /// Opens in place and returns what was sealed. Throws Error{unauthorized} when the tag is not the
  /// one that key, kind, number, `clear` and text make; nothing of the text may be used then.
  [[nodiscard]] std::span<std::byte> open(Kind kind, std::uint64_t number,
                                          std::span<const std::byte> clear,
                                          std::span<std::byte> text);

 private:
  /// Frees OpenSSL's context.
  struct Free {
    void operator()(EVP_CIPHER_CTX* context) const noexcept;
  };
  std::unique_ptr<EVP_CIPHER_CTX, Free> sealing_;
  std::unique_ptr<EVP_CIPHER_CTX, Free> opening_;
};

}  // namespace cardswap
