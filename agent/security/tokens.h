#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "agent/security/access.h"

namespace cardswap {

/// Who may call with `Authorization: Bearer TOKEN` instead of a certificate. Holds the tokens'
/// SHA-256 only; every one is compared, in constant time.
class Tokens {
 public:
  Tokens() = default;
  /// Reads lines "ROLE SHA256-OF-TOKEN [NAME]"; '#' starts a comment. Role agent is for
  /// certificates only. Throws Error{io, bad_request} naming the file and the line, never what
  /// stands there.
  [[nodiscard]] static Tokens parse(std::string_view text, const std::string& file);
  /// Reads a file, and refuses one that others than its owner may write.
  [[nodiscard]] static Tokens load(const std::filesystem::path& file);

  [[nodiscard]] bool empty() const { return entries_.empty(); }
  /// The caller that the header "Bearer TOKEN" proves; unknown when it proves nothing.
  [[nodiscard]] Caller caller_of(std::string_view authorization) const;

 private:
  /// A token, and whose it is.
  struct Entry {
    ApiRole role;
    std::array<unsigned char, 32> digest;
    std::string name;
  };
  std::vector<Entry> entries_;
};

}  // namespace cardswap
