#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/json/object.hpp>
#include <chrono>
#include <string>

#include "agent/cli/credentials.h"
#include "agent/http/client.h"

namespace cardswap::cli {

/// The agent that the command speaks to, one call at a time.
class Client {
 public:
  /// A socket's path, or HOST:PORT.
  /// Over TCP inside TLS when `credentials` have an authority.
  Client(const std::string& agent, const Credentials& credentials);
  Client(http::Endpoint agent, const Credentials& credentials);

  /// Throws Error: the agent's own, or unreachable.
  boost::json::object call(std::string method, std::string target,
                           boost::json::value body = nullptr,
                           std::chrono::milliseconds timeout = std::chrono::seconds(30));

 private:
  boost::asio::io_context context_;
  http::Endpoint endpoint_;
};

}  // namespace cardswap::cli
