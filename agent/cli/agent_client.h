#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/json/object.hpp>
#include <chrono>
#include <memory>
#include <optional>
#include <string>

#include "agent/cli/credentials.h"
#include "agent/http/client.h"

namespace cardswap::cli {

class Interrupts;

/// Calls one agent for a command, one call at a time. One thread.
class Client {
 public:
  /// `agent` is the path of a socket (it has a slash) or HOST[:PORT]. Calls over TCP are inside TLS
  /// if `credentials` have an authority. Throws Error{bad_request, io, refused} for an address, a
  /// certificate or a token that cannot be used.
  Client(const std::string& agent, const Credentials& credentials);
  Client(http::Endpoint agent, const Credentials& credentials);

  /// Calls the agent and returns its answer; waits for at most `timeout`. Throws Error as
  /// http::call() does, and Error{corrupt} if the answer is not a JSON object.
  boost::json::object call(std::string method, std::string target,
                           boost::json::value body = nullptr,
                           std::chrono::milliseconds timeout = std::chrono::seconds(30));
  /// Does what call() does, but returns nothing within a second of an interrupt, whatever the agent
  /// or the resolver does: it is then not known whether the agent did what it was asked. The
  /// interrupt stays pending.
  std::optional<boost::json::object> call_unless_interrupted(
      const Interrupts& interrupts, std::string method, std::string target,
      boost::json::value body = nullptr,
      std::chrono::milliseconds timeout = std::chrono::seconds(30));
  /// The agent's address, for texts.
  [[nodiscard]] std::string address() const { return endpoint_.text(); }

 private:
  [[nodiscard]] std::unique_ptr<boost::asio::io_context> fresh_context() const;

  http::Endpoint endpoint_;
  Credentials credentials_;
  std::unique_ptr<boost::asio::io_context> context_;
};

}  // namespace cardswap::cli
