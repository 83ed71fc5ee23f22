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

/// The agent that the command speaks to, one call at a time.
class Client {
 public:
  /// Takes a socket's path, or HOST:PORT. Over TCP inside TLS when `credentials` have an authority.
  Client(const std::string& agent, const Credentials& credentials);
  Client(http::Endpoint agent, const Credentials& credentials);

  /// Calls the agent, and returns its answer. Throws Error: the agent's own, or unreachable.
  boost::json::object call(std::string method, std::string target,
                           boost::json::value body = nullptr,
                           std::chrono::milliseconds timeout = std::chrono::seconds(30));
  /// Calls the agent, and returns nothing as soon as there is an interrupt to look at, whatever the
  /// agent or the resolver does: it is not known then whether the agent did what it was asked.
  std::optional<boost::json::object> call_unless(
      const Interrupts& interrupts, std::string method, std::string target,
      boost::json::value body = nullptr,
      std::chrono::milliseconds timeout = std::chrono::seconds(30));
  /// The agent's address, for people.
  [[nodiscard]] std::string address() const { return endpoint_.text(); }

 private:
  [[nodiscard]] std::unique_ptr<boost::asio::io_context> fresh_context() const;

  http::Endpoint endpoint_;
  Credentials credentials_;
  std::unique_ptr<boost::asio::io_context> context_;
};

}  // namespace cardswap::cli
