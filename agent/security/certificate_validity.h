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

/// Holds the certificate that the other side of a connection showed, as long as the connection
/// lives: a certificate that was good at the handshake may end before the connection does. One
/// thread.
class PeerCertificate {
 public:
  /// Takes what a server's handshake, which `context` accepted, has shown. Without a certificate
  /// nothing of it can end.
  PeerCertificate(SSL* ssl, Context context);
  ~PeerCertificate();
  PeerCertificate(PeerCertificate&&) noexcept;
  PeerCertificate& operator=(PeerCertificate&&) = delete;

  /// Why it counts no more; empty: it does. Its end is looked at each time; all of it, revocations
  /// too, is verified again when `now` is another context than the last, and every 10 s.
  [[nodiscard]] std::string fault(const Context& now);

 private:
  struct Shown;
  std::unique_ptr<Shown> shown_;
  Context proven_by_;
  std::chrono::steady_clock::time_point proven_at_;
};

/// Whether the other side's certificate has not ended yet.
[[nodiscard]] bool is_peer_still_valid(const SSL* ssl);

/// When something that this agent's connections need ends.
struct Ending {
  std::string what;  ///< "certificate", "authority", "revocations"
  std::filesystem::path file;
  std::int64_t at_s = 0;  ///< Unix time
};
/// The ends of the files that are given and can be read.
[[nodiscard]] std::vector<Ending> endings(const Files& files);
/// What has ended by `now_s`: nobody gets a new connection without it.
[[nodiscard]] std::vector<std::string> ended(const std::vector<Ending>& endings,
                                             std::int64_t now_s);
/// What ends within a week.
[[nodiscard]] std::vector<std::string> ends_soon(const std::vector<Ending>& endings,
                                                 std::int64_t now_s);
/// Logs both.
void log_ends(const std::vector<Ending>& endings);

}  // namespace cardswap::tls
