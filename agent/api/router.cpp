#include "agent/api/router.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <boost/json.hpp>
#include <boost/url.hpp>
#include <charconv>
#include <chrono>
#include <optional>

#include "agent/api/redaction.h"
#include "agent/http/client.h"
#include "migrator/base/utf8.h"

namespace cardswap {
namespace {

namespace json = boost::json;

/// Above this, doubles do not hold every integer, and times and sizes overflow.
constexpr double kNumberMax = 1e15;

unsigned status_of(Code code) {
  switch (code) {
    case Code::bad_request: return 400;
    case Code::unauthorized: return 401;
    case Code::not_found: return 404;
    case Code::conflict: return 409;
    case Code::refused:
    case Code::layout_differs:
    case Code::no_memory: return 422;
    case Code::protocol_mismatch: return 426;
    case Code::unreachable: return 502;
    case Code::timed_out: return 504;
    default: return 500;
  }
}

std::vector<std::string> parts_of(std::string_view path) {
  std::vector<std::string> parts;
  while (!path.empty()) {
    path.remove_prefix(1);
    const auto slash = std::min(path.find('/'), path.size());
    parts.emplace_back(path.substr(0, slash));
    path.remove_prefix(slash);
  }
  return parts;
}

std::optional<std::map<std::string, std::string, std::less<>>> match(
    const std::vector<std::string>& pattern, const std::vector<std::string>& path) {
  if (pattern.size() != path.size()) return std::nullopt;
  std::map<std::string, std::string, std::less<>> found;
  for (std::size_t i = 0; i < path.size(); ++i) {
    if (pattern[i].starts_with('{')) {
      found.emplace(pattern[i].substr(1, pattern[i].size() - 2), path[i]);
    } else if (pattern[i] != path[i]) {
      return std::nullopt;
    }
  }
  return found;
}

ApiResponse forbidden(const std::string& method, const std::string& target, ApiRole needed,
                      const Caller& caller) {
  auto answer = answer_of(
      Error(Code::unauthorized,
            fmt::format("{} {} needs the role {}; {} is {}", method, target, to_string(needed),
                        as_utf8(caller.name), caller.role ? to_string(*caller.role) : "nobody"),
            "ask with another certificate or token; docs/security.md"));
  answer.status = 403;
  return answer;
}

/// Counts the keys in a JSON text: after each of them is a colon outside of strings.
std::size_t keys_in(std::string_view json) {
  std::size_t keys = 0;
  bool in_string = false;
  for (std::size_t i = 0; i < json.size(); ++i) {
    if (in_string && json[i] == '\\') {
      ++i;
    } else if (json[i] == '"') {
      in_string = !in_string;
    } else if (!in_string && json[i] == ':') {
      ++keys;
    }
  }
  return keys;
}
/// Counts the keys in the parsed value, which has a key once that was there twice.
std::size_t keys_in(const json::value& value) {
  std::size_t keys = 0;
  if (value.is_array()) {
    for (const auto& item : value.get_array()) keys += keys_in(item);
  } else if (value.is_object()) {
    keys = value.get_object().size();
    for (const auto& member : value.get_object()) keys += keys_in(member.value());
  }
  return keys;
}

/// Parses a body as an object. `any_bytes` is for alerts of another program, which are accepted as
/// they are, because nobody would see a refused one.
json::object object_in(const std::string& body, bool any_bytes) {
  boost::system::error_code error;
  json::parse_options how;
  how.allow_invalid_utf8 = any_bytes;
  auto value = json::parse(body, error, {}, how);
  if (error || !value.is_object()) throw Error(Code::bad_request, "the body is no JSON object");
  if (!any_bytes && keys_in(std::string_view(body)) != keys_in(value)) {
    throw Error(Code::bad_request, "the body has a key twice", "say each once");
  }
  return std::move(value.as_object());
}

}  // namespace

std::string ApiRequest::text(std::string_view field) const {
  const auto* value = body.if_contains(field);
  if (value == nullptr || !value->is_string()) {
    throw Error(Code::bad_request, fmt::format("the field '{}' must be a string", field));
  }
  if (value->get_string().find('\0') != json::string::npos) {  // where others would end it
    throw Error(Code::bad_request, fmt::format("the field '{}' holds a NUL", field));
  }
  return std::string(value->get_string());
}

std::string ApiRequest::text_or(std::string_view field, std::string_view otherwise) const {
  const auto* value = body.if_contains(field);
  return value == nullptr || value->is_null() ? std::string(otherwise) : text(field);
}

double ApiRequest::number_or(std::string_view field, double otherwise) const {
  const auto* value = body.if_contains(field);
  if (value == nullptr || value->is_null()) return otherwise;
  if (!value->is_number() || value->to_number<double>() < 0 ||
      value->to_number<double>() > kNumberMax) {
    throw Error(Code::bad_request,
                fmt::format("the field '{}' must be a number from 0 to {:.0e}", field, kNumberMax));
  }
  return value->to_number<double>();
}

bool ApiRequest::flag_or(std::string_view field, bool otherwise) const {
  const auto* value = body.if_contains(field);
  if (value == nullptr || value->is_null()) return otherwise;
  if (!value->is_bool()) {
    throw Error(Code::bad_request, fmt::format("the field '{}' must be true or false", field));
  }
  return value->get_bool();
}

std::int64_t ApiRequest::query_or(std::string_view field, std::int64_t otherwise) const {
  const auto found = query.find(field);
  if (found == query.end()) return otherwise;
  std::int64_t value = 0;
  const auto* end = found->second.data() + found->second.size();
  const auto result = std::from_chars(found->second.data(), end, value);
  if (result.ec != std::errc{} || result.ptr != end) {
    throw Error(Code::bad_request, fmt::format("'{}={}' is no number", field, found->second));
  }
  return value;
}

void ApiRequest::only(std::initializer_list<std::string_view> known) const {
  only(std::vector<std::string_view>(known));
}

void ApiRequest::only(const std::vector<std::string_view>& known) const {
  for (const auto& item : body) {
    if (std::find(known.begin(), known.end(), std::string_view(item.key())) == known.end()) {
      throw Error(Code::bad_request, fmt::format("unknown field '{}'", std::string(item.key())),
                  fmt::format("this call takes: {}", fmt::join(known, ", ")));
    }
  }
}

ApiResponse answer_of(const Error& error) {
  return {status_of(error.code()), json::object{{"error", http::to_json(error)}}};
}

void Router::add(std::string method, std::string_view pattern, ApiHandler handler,
                 RouteLimits limits) {
  routes_.push_back({std::move(method), std::string(pattern), parts_of(pattern), std::move(handler),
                     std::move(limits)});
}

Router::Asked Router::asked_by(std::string_view method, std::string_view target) const {
  Asked asked;
  const auto url = boost::urls::parse_origin_form(target);
  asked.is_path = static_cast<bool>(url);
  if (!url) return asked;
  for (const auto& item : url->params()) asked.query[item.key] = item.value;
  std::vector<std::string> path;
  for (const auto& segment : url->segments()) path.push_back(segment);
  for (const auto& route : routes_) {
    auto found = match(route.parts, path);
    if (!found) continue;
    asked.is_known_path = true;
    if (route.method != method) continue;
    asked.route = &route;
    asked.path = std::move(*found);
    break;
  }
  return asked;
}

std::size_t Router::body_bytes_max(std::string_view method, std::string_view target) const {
  const auto* route = asked_by(method, target).route;
  return route == nullptr ? RouteLimits::kBodyBytes : route->limits.body_bytes;
}

ApiResponse Router::too_large(std::string_view method, std::string_view target,
                              const Caller& caller) const {
  const auto* route = asked_by(method, target).route;
  const auto most = route == nullptr ? RouteLimits::kBodyBytes : route->limits.body_bytes;
  const Error error(Code::bad_request, fmt::format("the body has more than {} bytes", most),
                    "send less at once; docs/api.md");
  auto answer = answer_of(error);
  if (most > RouteLimits::kBodyBytes) answer.status = 503;
  if (route != nullptr && route->limits.on_refused &&
      caller.may(role_for(route->method, route->pattern))) {
    route->limits.on_refused(error);
  }
  if (on_answer_) on_answer_(route == nullptr ? "unknown" : route->pattern, answer.status, 0);
  return answer;
}

std::vector<Router::RouteName> Router::routes() const {
  std::vector<RouteName> routes;
  for (const auto& route : routes_) routes.push_back({route.method, route.pattern});
  return routes;
}

boost::asio::awaitable<ApiResponse> Router::handle(std::string method, std::string target,
                                                   std::string body, Caller caller) const {
  const auto start = std::chrono::steady_clock::now();
  std::string route = "unknown";
  auto answer = co_await dispatch(std::move(method), std::move(target), std::move(body),
                                  std::move(caller), route);
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
  if (on_answer_) on_answer_(route, answer.status, took.count());
  co_return answer;
}

/// Sets `matched` as soon as the route is known; the caller's frame owns it until the answer is
/// made.
boost::asio::awaitable<ApiResponse> Router::dispatch(std::string method, std::string target,
                                                     std::string body, Caller caller,
                                                     std::string& matched) const {
  std::optional<Error> failed;
  std::function<void(const Error&)> refused;
  try {
    auto asked = asked_by(method, target);
    if (!asked.is_path) throw Error(Code::bad_request, "the request's target is no path");
    if (asked.route == nullptr) {
      throw Error(Code::not_found,
                  asked.is_known_path ? fmt::format("{} is not for {}", method, target)
                                      : fmt::format("there is no {}", target),
                  "docs/api.md lists the calls");
    }
    const auto& route = *asked.route;
    matched = route.pattern;
    const auto needed = role_for(route.method, route.pattern);
    if (!caller.may(needed)) co_return forbidden(method, target, needed, caller);
    refused = route.limits.on_refused;
    const bool may_see_uids = caller.may_see_uids();
    ApiRequest request;
    request.query = std::move(asked.query);
    request.path = std::move(asked.path);
    request.caller = std::move(caller);
    if (!body.empty()) request.body = object_in(body, route.limits.any_bytes);
    auto answer = co_await route.handler(std::move(request));
    if (!may_see_uids) hide_uids(answer.body);
    co_return answer;
  } catch (const Error& error) {
    failed = error;
  } catch (const boost::system::system_error& error) {
    const bool is_cancelled = error.code() == boost::asio::error::operation_aborted;
    failed = Error(is_cancelled ? Code::cancelled : Code::io,
                   fmt::format("{} {}: {}", method, target, error.what()));
  } catch (const std::exception& error) {
    spdlog::error("{} {}: {}", method, target, error.what());
    failed = Error(Code::internal, fmt::format("{} {}: {}", method, target, error.what()));
  }
  if (refused) refused(*failed);
  co_return answer_of(*failed);
}

}  // namespace cardswap
