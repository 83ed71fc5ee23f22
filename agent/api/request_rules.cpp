#include "agent/api/request_rules.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/ip/address.hpp>
#include <boost/beast/core/string.hpp>
#include <boost/json.hpp>

#include "agent/base/address.h"
#include "migrator/base/error.h"

namespace cardswap {
namespace {

namespace beast = boost::beast;
namespace bhttp = boost::beast::http;
using Head = bhttp::request<bhttp::string_body>;

ApiResponse refused(unsigned status, Code code, std::string failure, std::string hint) {
  auto answer = answer_of(Error(code, std::move(failure), std::move(hint)));
  answer.status = status;
  return answer;
}

bool is_this_host(const std::string& host, const std::vector<std::string>& own_names) {
  const auto address = address_from(host);
  if (!address) return false;
  const auto name = canonical_host(address->host);
  boost::system::error_code no_address;
  (void)boost::asio::ip::make_address(name, no_address);
  if (!no_address || is_same_host(name, "localhost")) return true;
  return std::any_of(own_names.begin(), own_names.end(), [&](const std::string& own) {
    return is_same_host(own, name) || is_same_host(own.substr(0, own.find('.')), name);
  });
}

/// Refuses a request whose readers could disagree about where its body ends.
std::optional<ApiResponse> wrong_coding(const Head& head) {
  const auto codings = head.count(bhttp::field::transfer_encoding);
  if (codings == 0) return std::nullopt;
  const bool chunked =
      codings == 1 && beast::iequals(head[bhttp::field::transfer_encoding], "chunked");
  if (chunked && head.count(bhttp::field::content_length) == 0 && head.version() == 11) {
    return std::nullopt;
  }
  return refused(400, Code::bad_request,
                 "this is no request: the agent knows no transfer coding but chunked",
                 "send the body with a Content-Length");
}

bool is_json(const Head& head) {
  const auto said = head[bhttp::field::content_type];
  auto type = said.substr(0, said.find(';'));
  while (!type.empty() && type.back() == ' ') type.remove_suffix(1);
  return beast::iequals(type, "application/json");
}

bool has_body(const Head& head) {
  if (head.count(bhttp::field::transfer_encoding) > 0) return true;
  const auto length = head.find(bhttp::field::content_length);
  return length != head.end() && length->value() != "0";
}

}  // namespace

std::optional<ApiResponse> refusal_of(const Head& head, Listener listener,
                                      const std::vector<std::string>& own_names) {
  if (auto wrong = wrong_coding(head)) return wrong;
  if (head.count(bhttp::field::host) > 1) {
    return refused(400, Code::bad_request, "this is no request: it has two Host headers",
                   "send one");
  }
  if (listener == Listener::unix_socket) return std::nullopt;
  if (head.count(bhttp::field::origin) > 0) {
    return refused(403, Code::refused, "the agent takes no requests of pages in a browser",
                   "send it without an Origin header");
  }
  const auto host = head.find(bhttp::field::host);
  if (listener == Listener::plain_tcp && host != head.end() &&
      !is_this_host(std::string(host->value()), own_names)) {
    return refused(403, Code::refused, "the Host header names another host than this one",
                   fmt::format("call it by an address, as localhost or by its --host-name, "
                               "which is {}",
                               own_names.empty() ? "not set" : own_names.front()));
  }
  if (has_body(head) && !is_json(head)) {
    return refused(415, Code::bad_request, "the body is not called JSON",
                   "send it with the header Content-Type: application/json");
  }
  return std::nullopt;
}

}  // namespace cardswap
