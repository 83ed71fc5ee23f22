#pragma once

#include <boost/json/object.hpp>
#include <chrono>
#include <string>
#include <vector>

#include "agent/base/tls_files.h"
#include "agent/security/access.h"
#include "tests/support/hosts.h"
#include "tests/support/http.h"

namespace cardswap::test {

/// The certificates of a fleet, made by `cardswap pki` in a folder of its own.
class FleetCertificates {
 public:
  FleetCertificates();
  /// Issues a certificate with the command. Throws std::runtime_error with the command's text if it
  /// refuses.
  [[nodiscard]] tls::Files issue(ApiRole role, const std::string& name,
                                 const std::vector<std::string>& hosts = {}) const;
  /// Makes a certificate that has ended already, which the command would not.
  [[nodiscard]] tls::Files issue_expired(ApiRole role, const std::string& name,
                                         const std::vector<std::string>& hosts = {}) const;
  /// Only the authority's certificate: what a caller without a certificate has.
  [[nodiscard]] tls::Files authority_only() const;
  [[nodiscard]] std::filesystem::path dir() const { return dir_.path() / "pki"; }

  /// The agent's options --tls-cert, --tls-key and --tls-ca for these files.
  [[nodiscard]] static std::vector<std::string> options(const tls::Files& files);

 private:
  TempDir dir_;
};

/// Makes one request inside TLS to an agent of this machine, with the certificate in `files`;
/// `called` is the name that the agent's certificate must be for. Throws Error if there is no
/// answer.
[[nodiscard]] HttpResponse ask_over_tls(const Host& host, const tls::Files& files,
                                        const HttpRequest& request,
                                        const std::string& called = "127.0.0.1");

}  // namespace cardswap::test
