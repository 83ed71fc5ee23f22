#pragma once

#include <chrono>
#include <filesystem>
#include <string>
#include <vector>

#include "agent/security/access.h"

/// A small certificate authority for one fleet, in one folder: enough to set up mutual TLS without
/// another tool. A site that has an authority uses that one instead: docs/security.md says what the
/// certificates must contain. All calls also throw Error{internal} if OpenSSL fails.
namespace cardswap::pki {

/// Makes DIR/ca.crt and DIR/ca.key (P-256, mode 0600), and DIR if it is not there. Throws
/// Error{conflict} if one of the two files is there, Error{refused} if others may write to DIR,
/// Error{io}.
void init(const std::filesystem::path& dir, std::chrono::seconds lifetime);

/// Which certificate issue() makes.
struct CertificateRequest {
  ApiRole role = ApiRole::viewer;
  std::string name;  ///< its common name and the name of its folder: letters, digits, . _ -
  std::vector<std::string> hosts;  ///< names and addresses by which an agent is called; else empty
  std::chrono::seconds lifetime{};
};

/// Makes DIR/NAME/{ca.crt,tls.crt,tls.key} and returns that folder. Throws Error: bad_request for a
/// name or host that cannot be used and for an agent without hosts, conflict if the folder is
/// there, refused if others may write to DIR or read its key, io or not_found if the authority is
/// not there, corrupt if it is damaged.
std::filesystem::path issue(const std::filesystem::path& dir, const CertificateRequest& wanted);

/// Writes DIR/ca.crl anew: with what it had and, if `name` is not empty, the certificate of
/// DIR/NAME. The list is valid for `lifetime`; after that, agents that use it accept no
/// certificate. Throws Error: not_found if `name` has no certificate, and otherwise what issue()
/// throws for the authority; corrupt also if ca.crl is damaged.
void revoke(const std::filesystem::path& dir, const std::string& name,
            std::chrono::seconds lifetime);

}  // namespace cardswap::pki
