#pragma once

#include <boost/beast/http/message.hpp>
#include <boost/beast/http/string_body.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "agent/api/router.h"

namespace cardswap {

/// Where a request was received.
enum class Listener : std::uint8_t { unix_socket, plain_tcp, tls };

/// The refusal of a request that no client of the API sends, whoever the caller is. Nullopt: the
/// request may be handled. Pure.
///
/// Everywhere refused: what two readers may understand in two ways (a transfer coding other than
/// chunked, chunked together with a Content-Length or in HTTP/1.0, two Host headers). On TCP also
/// what a page in a browser may send: an Origin header, a body whose Content-Type is not
/// application/json, and without TLS a Host header with the name of another host.
///
/// `own_names` are the names of this host; each counts whole and as its first label. Addresses and
/// localhost are always this host. Any other name is refused, also one without a dot: with a search
/// domain it could be another host's.
[[nodiscard]] std::optional<ApiResponse> refusal_of(
    const boost::beast::http::request<boost::beast::http::string_body>& head, Listener listener,
    const std::vector<std::string>& own_names);

}  // namespace cardswap
