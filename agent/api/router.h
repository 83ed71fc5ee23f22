#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/json/object.hpp>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "agent/security/access.h"
#include "migrator/base/error.h"

namespace cardswap {

/// A request whose path matched a route and whose body was parsed.
struct ApiRequest {
  /// The values of the pattern's {name} parts, decoded.
  std::map<std::string, std::string, std::less<>> path;
  std::map<std::string, std::string, std::less<>> query;  ///< decoded
  boost::json::object body;                               ///< empty when there was none
  Caller caller;                                          ///< may make this call

  /// The value of a field of the body. Throws Error{bad_request} naming the field if it is missing,
  /// of another type, or a string with a NUL.
  [[nodiscard]] std::string text(std::string_view field) const;
  /// Do what text() does, but return `otherwise` if the field is missing or null. A number must be
  /// from 0 to 1e15.
  [[nodiscard]] std::string text_or(std::string_view field, std::string_view otherwise) const;
  [[nodiscard]] double number_or(std::string_view field, double otherwise) const;
  [[nodiscard]] bool flag_or(std::string_view field, bool otherwise) const;
  /// The integer in the query, or `otherwise` if it is not there. Throws Error{bad_request}.
  [[nodiscard]] std::int64_t query_or(std::string_view field, std::int64_t otherwise) const;
  /// Throws Error{bad_request} if the body has a field that is not in `known`.
  void only(std::initializer_list<std::string_view> known) const;
  void only(const std::vector<std::string_view>& known) const;
};

/// The answer to a call.
struct ApiResponse {
  unsigned status = 200;
  boost::json::value body;
  std::string text = {};          ///< sent instead of `body` if `content_type` is set
  std::string content_type = {};  ///< empty: `body` is sent as JSON
};

/// Answers one call. It may throw: Router::handle() makes an error answer of every std::exception.
using ApiHandler = std::function<boost::asio::awaitable<ApiResponse>(ApiRequest)>;

/// What is different for one route.
struct RouteLimits {
  static constexpr std::size_t kBodyBytes = 1U << 20;

  /// The most bytes of a body. A larger body is answered with 503 if this limit is above the
  /// default, so that the sender repeats the call; else with 400.
  std::size_t body_bytes = kBodyBytes;
  /// Strings need not be UTF-8, and a key may occur twice: the handler makes them harmless.
  bool any_bytes = false;
  /// Called with each call that fails once its caller is allowed to make it, before the answer.
  std::function<void(const Error&)> on_refused = {};
};

/// Finds the handler of a method and path, and checks that the caller may call it. One thread.
class Router {
 public:
  /// Called after each answer with the route's pattern ("unknown" if no route matched), the status
  /// and the seconds that the handler took.
  using OnAnswer = std::function<void(const std::string& route, unsigned status, double seconds)>;

  explicit Router(OnAnswer on_answer = {}) : on_answer_(std::move(on_answer)) {}

  /// Adds a route; `pattern` is like "/v1/jobs/{name}/stop". Of two that match, the first one
  /// counts.
  void add(std::string method, std::string_view pattern, ApiHandler handler,
           RouteLimits limits = {});
  /// The most bytes that the body of this request may have; the default if no route matches.
  [[nodiscard]] std::size_t body_bytes_max(std::string_view method, std::string_view target) const;
  /// The answer to a request whose body is larger. Tells OnAnswer and RouteLimits::on_refused.
  [[nodiscard]] ApiResponse too_large(std::string_view method, std::string_view target,
                                      const Caller& caller) const;
  /// Calls the handler. What it throws becomes an error answer: an Error its own, a cancelled
  /// operation `cancelled`, another std::exception `io` or `internal`. A caller who may not make
  /// the call (security/access.h) is answered with 403. Takes uids out of the answer if the caller
  /// may not see them.
  boost::asio::awaitable<ApiResponse> handle(std::string method, std::string target,
                                             std::string body, Caller caller) const;

  /// A route that was added.
  struct RouteName {
    std::string method;
    std::string pattern;
  };
  /// Every route that was added.
  [[nodiscard]] std::vector<RouteName> routes() const;

 private:
  boost::asio::awaitable<ApiResponse> dispatch(std::string method, std::string target,
                                               std::string body, Caller caller,
                                               std::string& matched) const;

  /// A route, and its handler.
  struct Route {
    std::string method;
    std::string pattern;
    std::vector<std::string> parts;
    ApiHandler handler;
    RouteLimits limits;
  };
  /// What the method and target of a request match.
  struct Asked {
    /// The route. Null: none has that method and path. Valid until the next add().
    const Route* route = nullptr;
    bool is_path = false;        ///< the target is a path
    bool is_known_path = false;  ///< a route with this or another method has the path
    std::map<std::string, std::string, std::less<>> path;  ///< values of the pattern's {name} parts
    std::map<std::string, std::string, std::less<>> query;
  };
  [[nodiscard]] Asked asked_by(std::string_view method, std::string_view target) const;

  OnAnswer on_answer_;
  std::vector<Route> routes_;
};

/// Returns a function that adds routes which work on the same `parts`: add(method, pattern, call),
/// where `call(parts, request)` is awaitable. Each route keeps a copy of `parts`; `router` outlives
/// the function.
template <class Parts>
[[nodiscard]] auto routes_on(Router& router, Parts parts) {
  return [&router, parts](const char* method, const char* pattern, auto call) {
    router.add(method, pattern,
               [parts, call](ApiRequest request) { return call(parts, std::move(request)); });
  };
}

/// {"error": {...}} with the HTTP status of the error's code.
[[nodiscard]] ApiResponse answer_of(const Error& error);

}  // namespace cardswap
