#pragma once

#include <openssl/types.h>

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "agent/base/tls_files.h"
#include "agent/security/tls_context.h"

namespace cardswap::tls {

/// Holds the certificate that a client showed, as long as the connection lives: a certificate that
/// was valid at the handshake may expire or be revoked before the connection ends. One thread.
class PeerCertificate {
 public:
  /// Takes the certificate and its chain from a server-side handshake that is finished and that
  /// `context` accepted. If the client showed none, fault() is always empty.
  PeerCertificate(SSL* ssl, Context context);
  ~PeerCertificate();
  PeerCertificate(PeerCertificate&&) noexcept;
  PeerCertificate& operator=(PeerCertificate&&) = delete;

  /// Why the certificate is not valid any more; empty: it is valid. Checks the time on each call.
  /// Verifies the whole chain and the revocations again when `context` is another one than at the
  /// last verification, and every 10 s. `context` must not be null.
  [[nodiscard]] std::string fault(const Context& context);

 private:
  struct Shown;
  std::unique_ptr<Shown> shown_;
  Context proven_by_;
  std::chrono::steady_clock::time_point proven_at_;
};

/// Whether the other side showed a certificate that has not expired. Looks at the time only, not at
/// revocations.
[[nodiscard]] bool is_peer_still_valid(const SSL* ssl);

/// When a file that this agent's TLS connections need expires.
struct Expiry {
  std::string what;  ///< "certificate", "authority" or "revocations" (CRLs)
  std::filesystem::path file;
  std::int64_t at_s = 0;  ///< Unix time
};
/// When the files expire that are given and can be read: a certificate with the first of its chain,
/// a file of CRLs with the first of them, the authorities with the last one.
[[nodiscard]] std::vector<Expiry> expiries_of(const Files& files);
/// A text for each file that has expired at `now_s` (Unix time): no new connection succeeds then.
[[nodiscard]] std::vector<std::string> expired(const std::vector<Expiry>& expiries,
                                               std::int64_t now_s);
/// A text for each file that expires within a week of `now_s`.
[[nodiscard]] std::vector<std::string> expiring_soon(const std::vector<Expiry>& expiries,
                                                     std::int64_t now_s);
/// Logs the texts of expired() as errors, and those of expiring_soon() as warnings, as of now.
void log_expiries(const std::vector<Expiry>& expiries);

}  // namespace cardswap::tls
