#include "agent/security/tokens.h"

#include <fmt/format.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>

#include <span>
#include <sstream>

#include "agent/base/path_trust.h"
#include "migrator/base/error.h"
#include "migrator/base/hex.h"

namespace cardswap {
namespace {

constexpr std::size_t kBytesMax = 1U << 20;

}  // namespace

Tokens Tokens::parse(std::string_view text, const std::string& file) {
  Tokens tokens;
  std::istringstream lines{std::string(text)};
  int number = 0;
  for (std::string line; std::getline(lines, line);) {
    ++number;
    line.resize(std::min(line.size(), line.find('#')));
    std::istringstream words(line);
    std::string role_text;
    std::string digest;
    if (!(words >> role_text)) continue;
    words >> digest;
    Entry entry{};
    const auto role = role_from_string(role_text);
    if (!role || *role == ApiRole::agent ||
        !from_hex(digest, std::as_writable_bytes(std::span(entry.digest)))) {
      // The line is not quoted: it may be a token that was pasted here.
      throw Error(Code::bad_request, fmt::format("{}, line {}, is not understood", file, number),
                  "a line is `viewer|operator|alerts SHA256 [NAME]`, and SHA256 what "
                  "`printf %s TOKEN | sha256sum` prints");
    }
    entry.role = *role;
    if (!(words >> entry.name)) entry.name = fmt::format("token {}", number);
    tokens.entries_.push_back(std::move(entry));
  }
  return tokens;
}

Tokens Tokens::load(const std::filesystem::path& file) {
  const auto text = read_own_file("the token file", file, kBytesMax);
  if (text.size() > kBytesMax) {
    throw Error(Code::bad_request,
                fmt::format("the token file {} is longer than {} bytes", file.string(), kBytesMax));
  }
  return parse(text, file.string());
}

Caller Tokens::caller_of(std::string_view authorization) const {
  constexpr std::string_view kScheme = "Bearer ";
  Caller caller{.name = "nobody", .role = {}, .owner = false};
  if (!authorization.starts_with(kScheme)) return caller;
  const auto token = authorization.substr(kScheme.size());
  std::array<unsigned char, 32> digest{};
  if (EVP_Digest(token.data(), token.size(), digest.data(), nullptr, EVP_sha256(), nullptr) != 1) {
    return caller;
  }
  for (const auto& entry : entries_) {  // to the end: how long it takes tells nothing
    if (CRYPTO_memcmp(entry.digest.data(), digest.data(), digest.size()) != 0) continue;
    caller.name = entry.name;
    caller.role = entry.role;
  }
  return caller;
}

}  // namespace cardswap
