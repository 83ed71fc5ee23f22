#pragma once

#include <openssl/types.h>

#include <boost/asio/ssl/context.hpp>
#include <filesystem>
#include <memory>
#include <string>

#include "agent/base/tls_files.h"
#include "agent/security/access.h"

namespace cardswap::tls {

using Context = std::shared_ptr<boost::asio::ssl::context>;

/// TLS 1.3 only, no resumption. The server asks every client for a certificate of the authority;
/// with `certificate_required` one that has none is not spoken to. Throws Error{io, refused} naming
/// the file: missing, not PEM, the key of another certificate, readable by others, somebody else's
/// or theirs to write, or a list of revoked certificates that the authority did not sign.
[[nodiscard]] Context server_context(const Files& files, bool certificate_required);
/// Makes the context of the calling side; certificate and key may both be missing (callers with a
/// token).
[[nodiscard]] Context client_context(const Files& files);

/// Sets the name or address that the server's certificate has to be for.
void expect_host(SSL* ssl, const std::string& host);
/// Why the last handshake failed: the verification's reason where there was one.
[[nodiscard]] std::string failure_of(SSL* ssl, const std::string& otherwise);
/// The other side of a finished handshake: its common name, role and hosts; unknown without a
/// certificate, without a role, or with several. An agent is known by its name: one without a name,
/// with several, or with one that may not stand in a line of a log is nobody.
[[nodiscard]] Caller peer_of(const SSL* ssl);
/// The common name in our own certificate; empty where there is none.
[[nodiscard]] std::string own_name(const Context& context);

/// Throws Error{refused} unless `file` is root's or this user's, and only its owner can read it;
/// Error{io} when it is missing.
void check_private(const std::filesystem::path& file);

}  // namespace cardswap::tls
