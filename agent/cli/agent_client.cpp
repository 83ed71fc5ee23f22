#include "agent/cli/agent_client.h"

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_future.hpp>
#include <boost/json.hpp>
#include <future>
#include <utility>

#include "agent/cli/interrupts.h"
#include "agent/security/identity.h"

namespace cardswap::cli {
namespace {

using namespace std::chrono_literals;

constexpr auto kLook = 50ms;          // how late an interrupt is seen
constexpr auto kBreakOffMax = 200ms;  // for a call that is broken off

http::Endpoint endpoint_from(const std::string& agent) {
  // With a slash it is the path of a socket, else a host.
  if (agent.find('/') != std::string::npos) return http::Endpoint::unix_socket(agent);
  return http::Endpoint::tcp(parse_address("--agent", agent));
}

http::Request request_of(std::string method, std::string target, boost::json::value body,
                         std::chrono::milliseconds timeout) {
  http::Request request;
  request.method = std::move(method);
  request.target = std::move(target);
  request.body = std::move(body);
  request.timeout = timeout;
  return request;
}

boost::json::object object_of(boost::json::value value) {
  if (!value.is_object()) throw Error(Code::corrupt, "the agent's answer is no object");
  return std::move(value.get_object());
}

}  // namespace

Client::Client(const std::string& agent, const Credentials& credentials)
    : Client(endpoint_from(agent), credentials) {}

Client::Client(http::Endpoint agent, const Credentials& credentials)
    : endpoint_(std::move(agent)), credentials_(credentials), context_(fresh_context()) {}

std::unique_ptr<boost::asio::io_context> Client::fresh_context() const {
  auto context = std::make_unique<boost::asio::io_context>();
  if (!endpoint_.unix_path.empty()) {
    if (credentials_.token_was_chosen) tls::Identity::use(*context, {}, credentials_.token());
  } else if (credentials_.tls.is_configured()) {
    tls::Identity::use(*context, tls::client_context(credentials_.tls), credentials_.token());
  } else if (credentials_.token_was_chosen) {
    throw Error(Code::bad_request, "a token goes over TLS or the agent's socket only",
                "give --tls-ca");
  }
  return context;
}

std::optional<boost::json::object> Client::call_unless_interrupted(
    const Interrupts& interrupts, std::string method, std::string target, boost::json::value body,
    std::chrono::milliseconds timeout) {
  boost::asio::cancellation_signal stop;
  auto answer = boost::asio::co_spawn(
      *context_,
      http::call(endpoint_,
                 request_of(std::move(method), std::move(target), std::move(body), timeout)),
      boost::asio::bind_cancellation_slot(stop.slot(), boost::asio::use_future));
  const auto is_there = [&] { return answer.wait_for(0s) == std::future_status::ready; };
  context_->restart();
  while (!is_there()) {
    context_->run_for(kLook);
    if (is_there() || !interrupts.is_pending()) continue;
    // Cancelled from within the loop, and only if the call has not ended by then.
    boost::asio::post(*context_, [&] {
      if (!is_there()) stop.emit(boost::asio::cancellation_type::terminal);
    });
    context_->restart();
    context_->run_for(kBreakOffMax);
    // A resolver that waits for the network cannot be stopped, and the context's destructor would
    // wait for it. So the context is leaked; this process ends soon.
    if (!is_there()) (void)std::exchange(context_, fresh_context()).release();
    return std::nullopt;
  }
  return object_of(answer.get());
}

boost::json::object Client::call(std::string method, std::string target, boost::json::value body,
                                 std::chrono::milliseconds timeout) {
  auto answer = boost::asio::co_spawn(
      *context_,
      http::call(endpoint_,
                 request_of(std::move(method), std::move(target), std::move(body), timeout)),
      boost::asio::use_future);
  context_->restart();
  context_->run();
  return object_of(answer.get());
}

}  // namespace cardswap::cli
