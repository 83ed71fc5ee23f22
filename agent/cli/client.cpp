#include "agent/cli/client.h"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/use_future.hpp>

#include "agent/tls/identity.h"

namespace cardswap::cli {
namespace {

http::Endpoint endpoint_from(const std::string& agent) {
  // A socket is a path; whatever has no slash is a host.
  if (agent.find('/') != std::string::npos) return http::Endpoint::unix_socket(agent);
  return http::Endpoint::tcp(parse_address("--agent", agent));
}

}  // namespace

Client::Client(const std::string& agent, const Credentials& credentials)
    : Client(endpoint_from(agent), credentials) {}

Client::Client(http::Endpoint agent, const Credentials& credentials) : endpoint_(std::move(agent)) {
  if (!endpoint_.unix_path.empty()) {
    if (credentials.token_was_chosen) tls::Identity::use(context_, {}, credentials.token());
  } else if (credentials.tls.any()) {
    tls::Identity::use(context_, tls::client_context(credentials.tls), credentials.token());
  } else if (credentials.token_was_chosen) {
    throw Error(Code::bad_request, "a token goes over TLS or the agent's socket only",
                "give --tls-ca");
  }
}

boost::json::object Client::call(std::string method, std::string target, boost::json::value body,
                                 std::chrono::milliseconds timeout) {
  http::Request request;
  request.method = std::move(method);
  request.target = std::move(target);
  request.body = std::move(body);
  request.timeout = timeout;
  auto answer = boost::asio::co_spawn(context_, http::call(endpoint_, std::move(request)),
                                      boost::asio::use_future);
  context_.restart();
  context_.run();
  auto value = answer.get();
  if (!value.is_object()) throw Error(Code::corrupt, "the agent's answer is no object");
  return std::move(value.as_object());
}

}  // namespace cardswap::cli
