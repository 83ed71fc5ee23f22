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
/// was valid at the handshake may end or be revoked before the connection ends. One thread.
class PeerCertificate {
 public:
  /// Takes the certificate and its chain from a finished server's handshake, which `context`
  /// accepted. If the client showed none, fault() is always empty.
  PeerCertificate(SSL* ssl, Context context);
  ~PeerCertificate();
  PeerCertificate(PeerCertificate&&) noexcept;
  PeerCertificate& operator=(PeerCertificate&&) = delete;

  /// Why the certificate is not valid any more; empty: it is valid. Checks the time on each call.
  /// Verifies the whole chain and the revocations again when `now` is another context than at the
  /// last verification, and every 10 s. `now` must not be null.
  [[nodiscard]] std::string fault(const Context& now);

 private:
  struct Shown;
  std::unique_ptr<Shown> shown_;
  Context proven_by_;
  std::chrono::steady_clock::time_point proven_at_;
};

/// Whether the other side showed a certificate that has not ended. Looks at the time only, not at
/// revocations.
[[nodiscard]] bool is_peer_still_valid(const SSL* ssl);

/// When a file that this agent's TLS connections need ends.
struct Ending {
  std::string what;  ///< "certificate", "authority" or "revocations"
  std::filesystem::path file;
  std::int64_t at_s = 0;  ///< Unix time
};
/// When the files end that are given and can be read: a certificate with the first of its chain,
/// revocations with the first list, the authorities with the last one.
[[nodiscard]] std::vector<Ending> endings(const Files& files);
/// A text for each file that has ended at `now_s` (Unix time): no new connection succeeds then.
[[nodiscard]] std::vector<std::string> ended(const std::vector<Ending>& endings,
                                             std::int64_t now_s);
/// A text for each file that ends within a week of `now_s`.
[[nodiscard]] std::vector<std::string> ends_soon(const std::vector<Ending>& endings,
                                                 std::int64_t now_s);
/// Logs the texts of ended() as errors, and those of ends_soon() as warnings, as of now.
void log_ends(const std::vector<Ending>& endings);

}  // namespace cardswap::tls
