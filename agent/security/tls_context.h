#pragma once

#include <openssl/types.h>

#include <boost/asio/ssl/context.hpp>
#include <filesystem>
#include <memory>
#include <string>

#include "agent/base/tls_files.h"
#include "agent/security/access.h"

namespace cardswap::tls {

/// Shared by the connections that use it and by who opens them, because it may be renewed
/// meanwhile.
using Context = std::shared_ptr<boost::asio::ssl::context>;

/// TLS 1.3 only, without session resumption. The server asks every client for a certificate of the
/// authority; if `certificate_required`, a client without one is refused at the handshake.
///
/// Throws Error{bad_request} if the certificate, key or authority is not given; Error{io} naming
/// the file if it is missing, not PEM, or the key is another certificate's; Error{refused} if
/// others may write to a file or read the key, or if the authority did not sign the list of revoked
/// certificates.
[[nodiscard]] Context server_context(const Files& files, bool certificate_required);
/// The context of the calling side. Certificate and key may both be empty: callers with a token.
/// Throws as server_context() does.
[[nodiscard]] Context client_context(const Files& files);

/// Sets the name or address that the server's certificate must be for, and asks the server for it
/// (SNI). Before the handshake. Throws Error{bad_request} if it is neither.
void expect_host(SSL* ssl, const std::string& host);
/// Why the last handshake failed: the reason why the certificate was not accepted, or else
/// `otherwise`.
[[nodiscard]] std::string failure_of(SSL* ssl, const std::string& otherwise);
/// The other side of a finished handshake, with the common name, role and hosts of its certificate.
/// It has no role if it showed no certificate, or one with no role or with several. An agent also
/// needs a name: exactly one common name that may be a part of a log line.
[[nodiscard]] Caller peer_of(const SSL* ssl);
/// The common name in the certificate of `context`; empty if there is no context or certificate, or
/// if peer_of() would not accept the name.
[[nodiscard]] std::string own_name(const Context& context);

/// Throws Error{refused} unless `file` is root's or this user's and only its owner may read it, and
/// Error{io} if it cannot be found.
void check_private(const std::filesystem::path& file);

}  // namespace cardswap::tls
