#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "agent/security/access.h"

namespace cardswap {

/// The tokens with which callers may call instead of a certificate (`Authorization: Bearer TOKEN`).
/// Holds only their SHA-256; caller_of() compares every one in constant time. A value.
class Tokens {
 public:
  Tokens() = default;
  /// Reads lines "ROLE SHA256-OF-TOKEN [NAME]"; '#' begins a comment. The role is viewer, operator
  /// or alerts: agents need certificates. Throws Error{bad_request} naming `file` and the line,
  /// without its content: it may be a token.
  [[nodiscard]] static Tokens parse(std::string_view text, const std::string& file);
  /// Reads and parses a file of at most 1 MiB. Throws Error{bad_request}, Error{io} if it cannot be
  /// read, and Error{refused} if others may write to it.
  [[nodiscard]] static Tokens load(const std::filesystem::path& file);

  [[nodiscard]] bool empty() const { return entries_.empty(); }
  /// The caller that the header's value "Bearer TOKEN" proves; a caller without a role if no token
  /// matches.
  [[nodiscard]] Caller caller_of(std::string_view authorization) const;

 private:
  /// The digest of a token, and the caller who has it.
  struct Entry {
    ApiRole role;
    std::array<unsigned char, 32> digest;
    std::string name;
  };
  std::vector<Entry> entries_;
};

}  // namespace cardswap
