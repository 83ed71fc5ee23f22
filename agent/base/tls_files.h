#pragma once

#include <filesystem>

namespace cardswap::tls {

/// PEM files. `authority` is the certificate that signed everybody's.
struct Files {
  std::filesystem::path certificate;
  std::filesystem::path key;
  std::filesystem::path authority;
  std::filesystem::path revoked;  ///< the authority's list of revoked certificates

  [[nodiscard]] bool is_configured() const {
    return !certificate.empty() || !key.empty() || !authority.empty();
  }
};

}  // namespace cardswap::tls
