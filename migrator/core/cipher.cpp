#include "migrator/core/cipher.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/params.h>
#include <openssl/rand.h>

#include "migrator/base/error.h"
#include "migrator/base/hex.h"
#include "migrator/base/release_with.h"

namespace cardswap {
namespace {

constexpr std::size_t kNonceBytes = 12;

void must(bool done, const char* doing) {
  if (!done) throw Error(Code::internal, std::string("OpenSSL could not ") + doing);
}

template <class Byte>
auto* raw(Byte* bytes) {
  using Raw = std::conditional_t<std::is_const_v<Byte>, const unsigned char, unsigned char>;
  return reinterpret_cast<Raw*>(bytes);  // NOLINT: OpenSSL's bytes
}

CipherKey derived(const CipherKey& key, const CipherSalt& salt, Direction direction) {
  std::string hash = "SHA256";
  std::string purpose = direction == Direction::source_to_target ? "cardswap source to target"
                                                                 : "cardswap target to source";
  auto secret = key;
  auto extra = salt;
  const std::array parameters{
      OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, hash.data(), hash.size()),
      OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY, secret.data(), secret.size()),
      OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SALT, extra.data(), extra.size()),
      OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_INFO, purpose.data(), purpose.size()),
      OSSL_PARAM_construct_end()};
  const std::unique_ptr<EVP_KDF, ReleaseWith<EVP_KDF_free>> kdf(
      EVP_KDF_fetch(nullptr, "HKDF", nullptr));
  const std::unique_ptr<EVP_KDF_CTX, ReleaseWith<EVP_KDF_CTX_free>> context(
      EVP_KDF_CTX_new(kdf.get()));
  CipherKey result{};
  must(context &&
           EVP_KDF_derive(context.get(), raw(result.data()), result.size(), parameters.data()) == 1,
       "derive a key");
  OPENSSL_cleanse(secret.data(), secret.size());
  return result;
}

std::array<unsigned char, kNonceBytes> nonce_of(Cipher::Kind kind, std::uint64_t number) {
  std::array<unsigned char, kNonceBytes> nonce{};
  for (std::size_t i = 0; i < 4; ++i) {
    nonce[i] = static_cast<unsigned char>(static_cast<std::uint32_t>(kind) >> (8 * i));
  }
  for (std::size_t i = 0; i < 8; ++i) {
    nonce[4 + i] = static_cast<unsigned char>(number >> (8 * i));
  }
  return nonce;
}

}  // namespace

CipherKey cipher_key_from(std::string_view hex) {
  CipherKey key{};
  if (!from_hex(hex, key)) {
    throw Error(Code::bad_request, "the migration's key is not 64 hexadecimal digits");
  }
  return key;
}

CipherSalt random_salt() {
  CipherSalt salt{};
  must(RAND_bytes(raw(salt.data()), static_cast<int>(salt.size())) == 1, "draw random bytes");
  return salt;
}

void Cipher::Free::operator()(EVP_CIPHER_CTX* context) const noexcept {
  EVP_CIPHER_CTX_free(context);
}

Cipher::Cipher(const CipherKey& key, const CipherSalt& salt, Direction direction)
    : sealing_(EVP_CIPHER_CTX_new()), opening_(EVP_CIPHER_CTX_new()) {
  auto own = derived(key, salt, direction);
  must(sealing_ && opening_ &&
           EVP_EncryptInit_ex(sealing_.get(), EVP_aes_256_gcm(), nullptr, raw(own.data()),
                              nullptr) == 1 &&
           EVP_DecryptInit_ex(opening_.get(), EVP_aes_256_gcm(), nullptr, raw(own.data()),
                              nullptr) == 1,
       "set a key");
  OPENSSL_cleanse(own.data(), own.size());
}

void Cipher::seal(Kind kind, std::uint64_t number, std::span<const std::byte> aad,
                  std::span<std::byte> data) {
  const auto nonce = nonce_of(kind, number);
  auto* bytes = raw(data.data());
  const auto size = static_cast<int>(data.size() - kTagBytes);
  int done = 0;
  must(EVP_EncryptInit_ex(sealing_.get(), nullptr, nullptr, nullptr, nonce.data()) == 1 &&
           EVP_EncryptUpdate(sealing_.get(), nullptr, &done, raw(aad.data()),
                             static_cast<int>(aad.size())) == 1 &&
           EVP_EncryptUpdate(sealing_.get(), bytes, &done, bytes, size) == 1 &&
           EVP_EncryptFinal_ex(sealing_.get(), bytes + size, &done) == 1 &&
           EVP_CIPHER_CTX_ctrl(sealing_.get(), EVP_CTRL_GCM_GET_TAG, kTagBytes, bytes + size) == 1,
       "seal a message");
}

std::span<std::byte> Cipher::open(Kind kind, std::uint64_t number, std::span<const std::byte> aad,
                                  std::span<std::byte> data) {
  if (data.size() < kTagBytes) throw Error(Code::bad_request, "a sealed message without its tag");
  const auto nonce = nonce_of(kind, number);
  auto* bytes = raw(data.data());
  const auto size = static_cast<int>(data.size() - kTagBytes);
  int done = 0;
  const bool genuine =
      EVP_DecryptInit_ex(opening_.get(), nullptr, nullptr, nullptr, nonce.data()) == 1 &&
      EVP_DecryptUpdate(opening_.get(), nullptr, &done, raw(aad.data()),
                        static_cast<int>(aad.size())) == 1 &&
      EVP_DecryptUpdate(opening_.get(), bytes, &done, bytes, size) == 1 &&
      EVP_CIPHER_CTX_ctrl(opening_.get(), EVP_CTRL_GCM_SET_TAG, kTagBytes, bytes + size) == 1 &&
      EVP_DecryptFinal_ex(opening_.get(), bytes + size, &done) == 1;
  if (!genuine) {
    throw Error(Code::unauthorized,
                "sealed data does not open: it was changed on its way, or sealed with another key",
                "somebody interferes with the data network, or the agents do not fit together");
  }
  return data.first(data.size() - kTagBytes);
}

}  // namespace cardswap
