#include "agent/http/client.h"

#include <fmt/format.h>

#include <boost/json.hpp>
#include <cctype>

#include "agent/base/json_fields.h"
#include "agent/base/printable.h"
#include "agent/http/connection.h"

namespace cardswap::http {

namespace asio = boost::asio;
namespace json = boost::json;

Endpoint Endpoint::unix_socket(std::string path) { return {.unix_path = std::move(path)}; }

Endpoint Endpoint::tcp(std::string host, std::uint16_t port) {
  return {.unix_path = {}, .host = std::move(host), .port = port};
}

std::string Endpoint::text() const {
  if (!unix_path.empty()) return unix_path;
  return Address{host, port}.text();
}

asio::awaitable<Response> exchange(Endpoint endpoint, Request request) {
  if (!endpoint.unix_path.empty()) {
    co_return co_await over_unix(std::move(endpoint), std::move(request));
  }
  const auto deadline = std::chrono::steady_clock::now() + request.timeout;
  const auto connection = co_await Connection::open(std::move(endpoint), request, deadline);
  co_return co_await connection->exchange(std::move(request), deadline, false);
}

asio::awaitable<json::value> call(Endpoint endpoint, Request request) {
  auto answer = co_await exchange(endpoint, std::move(request));
  if (answer.status >= 400) throw error_in(endpoint, answer);
  co_return std::move(answer.body);
}

std::string percent_encoded(std::string_view text) {
  std::string result;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (std::isalnum(byte) != 0 || c == '-' || c == '.' || c == '_' || c == '~') {
      result.push_back(c);
    } else {
      result += fmt::format("%{:02X}", byte);
    }
  }
  return result;
}

Error error_in(const Endpoint& endpoint, const Response& answer) {
  const auto* object = answer.body.if_object();
  const auto* error = object != nullptr ? object->if_contains("error") : nullptr;
  if (error != nullptr && error->is_object()) return error_from_json(*error);
  return {Code::internal, fmt::format("{} answered with status {} and no error text",
                                      endpoint.text(), answer.status)};
}

json::value to_json(const Error& error) {
  // A text may quote a program's output or another agent; JSON must be UTF-8.
  return json::object{{"code", to_string(error.code())},
                      {"failure", printable(error.failure())},
                      {"hint", printable(error.hint())}};
}

Error error_from_json(const json::value& value) {
  const auto* object = value.if_object();
  if (object == nullptr) return {Code::internal, "an error without a text"};
  const auto code = code_from_string(text_at(*object, "code")).value_or(Code::internal);
  return {code, printable(text_at(*object, "failure")), printable(text_at(*object, "hint"))};
}

}  // namespace cardswap::http
