#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/json/value.hpp>
#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "agent/base/address.h"
#include "migrator/base/error.h"

namespace cardswap::http {

/// The header in which an agent says which version of the peer protocol it speaks, and the version
/// of this one. An agent answers another version with Error{protocol_mismatch}.
inline constexpr std::string_view kProtocolHeader = "Cardswap-Protocol";
inline constexpr std::string_view kPeerProtocol = "1";

/// Where an agent listens: a unix socket when `unix_path` is set, else TCP.
struct Endpoint {
  std::string unix_path;
  std::string host;
  std::uint16_t port = 0;

  [[nodiscard]] static Endpoint unix_socket(std::string path);
  [[nodiscard]] static Endpoint tcp(std::string host, std::uint16_t port);
  [[nodiscard]] static Endpoint tcp(Address agent) {
    return tcp(std::move(agent.host), agent.port);
  }
  /// "gpu-b:7070", "[::1]:7070" or the socket's path, for texts and logs.
  [[nodiscard]] std::string text() const;
};

/// A request to an agent.
struct Request {
  std::string method = "GET";
  std::string target;                 ///< "/v1/jobs?x=1", already percent-encoded
  boost::json::value body = nullptr;  ///< null: no body
  std::vector<std::pair<std::string, std::string>> headers;
  /// The common name of the only agent that may get this request; empty: any agent. Checked when a
  /// connection is opened inside TLS, so not over plain TCP, over a unix socket, or on a connection
  /// that a ConnectionPool has kept.
  std::string only_of;
  /// Covers resolving, connecting, sending and the whole answer, also the time that a long poll
  /// waits.
  std::chrono::milliseconds timeout{10000};
  std::size_t answer_bytes_max = 4U << 20;
};

/// An agent's answer.
struct Response {
  unsigned status = 0;
  boost::json::value body;  ///< null: the answer had no body
};

/// Whether a call failed because nobody answered: the agent is away, or it stops (then it answers
/// `cancelled`). The call may go well when it is made again; it may have been done, though.
[[nodiscard]] constexpr bool is_silence(Code code) {
  return code == Code::unreachable || code == Code::timed_out || code == Code::link_lost ||
         code == Code::cancelled;
}

/// Makes one request on a connection of its own, on the calling coroutine's executor. The arguments
/// are the coroutine's own copies, so it may outlive its caller. Returns null if the answer has no
/// body. Throws Error:
///   bad_request  the request has blanks or control characters where none may be, or the path of
///                the socket is too long: nothing was sent
///   unreachable  the name has no address, or no connection could be made: nothing was sent
///   unauthorized TLS: the certificate of one side is not accepted by the other, is not an agent's,
///                or is not the one of `only_of`
///   timed_out    the time was over: the request may have been done
///   link_lost    the connection broke before the answer was whole: the request may have been done
///   cancelled    the coroutine was cancelled: the request may have been done
///   corrupt      the answer is not HTTP with a JSON body within the limit. One that is, but does
///                not have the fields of its kind, is protocol_mismatch where an agent reads it
///   any code     what the agent answered ({"error": {...}}), with its code, failure and hint;
///                internal if it answered 400 or above without such a body
[[nodiscard]] boost::asio::awaitable<boost::json::value> call(Endpoint endpoint, Request request);

/// Does what call() does, but returns an answer with status 400 or above instead of throwing it.
[[nodiscard]] boost::asio::awaitable<Response> exchange(Endpoint endpoint, Request request);

/// `text` as one path segment or one value of a query.
[[nodiscard]] std::string percent_encoded(std::string_view text);

/// The Error in an answer with status 400 or above; internal if there is none in it.
[[nodiscard]] Error error_in(const Endpoint& endpoint, const Response& answer);

/// {"code", "failure", "hint"}, as the API shows an error, and back. An unknown code or another
/// form gives Code::internal.
[[nodiscard]] boost::json::value to_json(const Error& error);
[[nodiscard]] Error error_from_json(const boost::json::value& value);

}  // namespace cardswap::http
