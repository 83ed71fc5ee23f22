#pragma once

#include <filesystem>

namespace cardswap::tls {

/// The PEM files of TLS; an empty path: no such file.
struct Files {
  std::filesystem::path certificate;  ///< this agent's
  std::filesystem::path key;          ///< the certificate's private key
  std::filesystem::path authority;    ///< the certificate that signed all others
  std::filesystem::path revoked;      ///< the authority's list of revoked certificates
  /// Whether any of the first three is set.

  [[nodiscard]] bool is_configured() const {
    return !certificate.empty() || !key.empty() || !authority.empty();
  }
};

}  // namespace cardswap::tls
