#pragma once

#include <boost/beast/http/message.hpp>
#include <boost/beast/http/string_body.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "agent/api/router.h"

namespace cardswap {

/// Where a request came in.
enum class Listener : std::uint8_t { unix_socket, plain_tcp, tls };

/// The refusal of a request that no client of the API sends, whoever it is: one made by a page in a
/// browser (an Origin, a body that is not called JSON, over plain TCP a Host that is another's
/// name), or one that two readers may read differently (a transfer coding that is not chunked, two
/// Hosts). Nothing where it may be heard. `own_names`: this host's, whole or their first label,
/// beside addresses and localhost. A search domain makes any other name without a dot a stranger's.
[[nodiscard]] std::optional<ApiAnswer> refusal_of(
    const boost::beast::http::request<boost::beast::http::string_body>& head, Listener listener,
    const std::vector<std::string>& own_names);

}  // namespace cardswap
