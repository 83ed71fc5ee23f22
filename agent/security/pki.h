#pragma once

#include <chrono>
#include <filesystem>
#include <string>
#include <vector>

#include "agent/security/access.h"

/// A small certificate authority for one fleet, in one folder: enough to set mutual TLS up without
/// another tool. Whoever has one already uses that instead; docs/security.md says what the
/// certificates have to hold.
namespace cardswap::pki {

/// Makes DIR/ca.crt and DIR/ca.key (P-256, mode 0600). Throws Error{conflict} when either is there
/// already, Error{io}.
void init(const std::filesystem::path& dir, std::chrono::seconds lifetime);

/// A certificate that is to be made.
struct CertificateRequest {
  ApiRole role = ApiRole::viewer;
  std::string name;                ///< the common name, and the folder's: letters, digits, . _ -
  std::vector<std::string> hosts;  ///< names and addresses by which an agent is called
  std::chrono::seconds lifetime{};
};

/// Makes DIR/NAME/{ca.crt,tls.crt,tls.key} and returns that folder. Throws Error{bad_request,
/// conflict, not_found, io}; refuses a folder that is there already.
std::filesystem::path issue(const std::filesystem::path& dir, const CertificateRequest& wanted);

/// Makes DIR/ca.crl anew: what it held, and the certificate of DIR/NAME where a name is given; it
/// counts for `lifetime`, and agents that have read it believe nobody once it is over. Throws
/// Error{not_found, io}.
void revoke(const std::filesystem::path& dir, const std::string& name,
            std::chrono::seconds lifetime);

}  // namespace cardswap::pki
