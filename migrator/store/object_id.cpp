#include "migrator/store/object_id.h"

#include <fmt/format.h>
#include <openssl/evp.h>

#include <algorithm>
#include <cstring>

#include "migrator/base/error.h"
#include "migrator/base/hex.h"

namespace cardswap::store {
namespace {

void require(int ok) {
  if (ok != 1) throw Error(Code::internal, "OpenSSL could not make a SHA-256");
}

/// Fetched once: EVP_sha256() is looked up in OpenSSL's tables, behind its locks, by each digest
/// that begins, which takes longer than a short object's digest itself.
const EVP_MD* sha256() {
  static const EVP_MD* const fetched = EVP_MD_fetch(nullptr, "SHA2-256", nullptr);
  return fetched != nullptr ? fetched : EVP_sha256();
}

}  // namespace

ObjectId id_of(std::span<const std::byte> bytes) {
  ObjectId id;
  require(EVP_Digest(bytes.data(), bytes.size(), reinterpret_cast<unsigned char*>(id.bytes.data()),
                     nullptr, sha256(), nullptr));
  return id;
}

std::string to_string(const ObjectId& id) { return to_hex(id.bytes); }

ObjectId object_id_from(std::string_view text) {
  ObjectId id;
  const auto is_upper = [](char c) { return c >= 'A' && c <= 'F'; };
  if (!from_hex(text, id.bytes) || std::ranges::any_of(text, is_upper)) {
    throw Error(Code::bad_request, fmt::format("'{}' is not an id", text.substr(0, 80)));
  }
  return id;
}

void IdHasher::Free::operator()(EVP_MD_CTX* context) const noexcept { EVP_MD_CTX_free(context); }

IdHasher::IdHasher() : context_(EVP_MD_CTX_new()) {
  require(context_ == nullptr ? 0 : 1);
  require(EVP_DigestInit_ex(context_.get(), sha256(), nullptr));
}

IdHasher& IdHasher::add(std::span<const std::byte> piece) {
  require(EVP_DigestUpdate(context_.get(), piece.data(), piece.size()));
  return *this;
}

ObjectId IdHasher::finish() {
  ObjectId id;
  require(EVP_DigestFinal_ex(context_.get(), reinterpret_cast<unsigned char*>(id.bytes.data()),
                             nullptr));
  require(EVP_DigestInit_ex(context_.get(), sha256(), nullptr));
  return id;
}

std::size_t IdHash::operator()(const ObjectId& id) const noexcept {
  std::size_t first = 0;
  std::memcpy(&first, id.bytes.data(), sizeof(first));
  return first;
}

}  // namespace cardswap::store
