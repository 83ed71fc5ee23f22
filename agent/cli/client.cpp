#include "agent/cli/client.h"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/use_future.hpp>
#include <charconv>

namespace cardswap::cli {

Client::Client(const std::string& agent) {
  const auto colon = agent.rfind(':');
  std::uint16_t port = 0;
  if (agent.find('/') == std::string::npos && colon != std::string::npos) {
    const auto* end = agent.data() + agent.size();
    const auto result = std::from_chars(agent.data() + colon + 1, end, port);
    if (result.ec != std::errc{} || result.ptr != end) {
      throw Error(Code::bad_request, "--agent: '" + agent + "' is not understood",
                  "give the agent's socket or HOST:PORT");
    }
    endpoint_ = http::Endpoint::tcp(agent.substr(0, colon), port);
  } else {
    endpoint_ = http::Endpoint::unix_socket(agent);
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
