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

/// The header by which agents say what they speak to each other, and what that is here. An agent
/// that speaks another is refused.
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
  /// "gpu-b:7070", "[::1]:7070" or the socket's path: for people and for the Host header.
  [[nodiscard]] std::string text() const;
};

/// A request to an agent.
struct Request {
  std::string method = "GET";
  std::string target;                 ///< "/v1/jobs?x=1", already percent-encoded
  boost::json::value body = nullptr;  ///< null: no body
  std::vector<std::pair<std::string, std::string>> headers;
  /// The name in the certificate of the only one that may be asked this, inside TLS and on a
  /// connection of its own; empty: any agent.
  std::string only_of;
  /// Covers resolving, connecting, sending and the whole answer (a long poll's wait included).
  std::chrono::milliseconds timeout{10000};
  std::size_t answer_bytes_max = 4U << 20;
};

/// An agent's answer.
struct Answer {
  unsigned status = 0;
  boost::json::value body;  ///< null when the answer had no body
};

/// One request on a connection of its own, on the calling coroutine's executor. The arguments are
/// the coroutine's own copies, so it may outlive its caller. Throws Error:
///   unreachable  no connection could be made (nothing was sent)
///   timed_out    the time was over
///   link_lost    the connection broke before the answer was whole: the request may have been done
///   cancelled    the coroutine was cancelled
///   corrupt      the answer is not HTTP with a JSON body within the limit
///   any other    what the agent answered ({"error": {...}}), with its code, failure and hint
[[nodiscard]] boost::asio::awaitable<boost::json::value> call(Endpoint endpoint, Request request);

/// Calls as call() does, but an answer with status 400 and above is returned, not thrown.
[[nodiscard]] boost::asio::awaitable<Answer> exchange(Endpoint endpoint, Request request);

/// `text` made safe as one path segment or query value.
[[nodiscard]] std::string percent_encoded(std::string_view text);

/// The Error that an answer with a status of 400 and above stands for.
[[nodiscard]] Error error_of(const Endpoint& endpoint, const Answer& answer);

/// {"code", "failure", "hint"}, as the API shows an error; and back.
[[nodiscard]] boost::json::value to_json(const Error& error);
[[nodiscard]] Error error_from_json(const boost::json::value& value);

}  // namespace cardswap::http
