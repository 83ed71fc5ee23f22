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

/// A request whose body was parsed and whose path matched.
struct ApiRequest {
  std::map<std::string, std::string, std::less<>> path;   ///< {name} parts, decoded
  std::map<std::string, std::string, std::less<>> query;  ///< decoded
  boost::json::object body;                               ///< empty when there was none
  Caller caller;                                          ///< may make this call

  /// The field's value. Throw Error{bad_request} naming the field: missing, or of another type.
  [[nodiscard]] std::string text(std::string_view field) const;
  [[nodiscard]] std::string text_or(std::string_view field, std::string_view otherwise) const;
  [[nodiscard]] double number_or(std::string_view field, double otherwise) const;
  [[nodiscard]] bool flag_or(std::string_view field, bool otherwise) const;
  [[nodiscard]] std::int64_t query_or(std::string_view field, std::int64_t otherwise) const;
  /// Refuses a body with fields that are not in `known`.
  void only(std::initializer_list<std::string_view> known) const;
  void only(const std::vector<std::string_view>& known) const;
};

/// What a call is answered with.
struct ApiAnswer {
  unsigned status = 200;
  boost::json::value body;
  std::string text = {};          ///< in place of `body`, when there is a content type for it
  std::string content_type = {};  ///< empty: JSON
};

using ApiHandler = std::function<boost::asio::awaitable<ApiAnswer>(ApiRequest)>;

/// What one call takes beside what all take.
struct CallLimits {
  static constexpr std::size_t kBodyBytes = 1U << 20;

  /// Bytes of a body. A larger one is answered with 503 where a call takes more than the others, so
  /// that its sender repeats; with 400 else.
  std::size_t body_bytes = kBodyBytes;
  bool any_bytes = false;  ///< strings that are no UTF-8; the handler makes them harmless
  /// Called with each request that came to nothing, before it is answered.
  std::function<void(const Error&)> refused = {};
};

/// Finds the handler of a method and path. A handler's Error becomes an error answer.
class Router {
 public:
  /// Called after each answer with the route's pattern ("unknown" when there is none), the status
  /// and how many seconds the handler took.
  using OnAnswer = std::function<void(const std::string& route, unsigned status, double seconds)>;

  explicit Router(OnAnswer on_answer = {}) : on_answer_(std::move(on_answer)) {}

  /// `pattern` like "/v1/jobs/{name}/stop".
  void on(std::string method, std::string_view pattern, ApiHandler handler, CallLimits takes = {});
  /// How large the body of a request may be.
  [[nodiscard]] std::size_t body_bytes_max(std::string_view method, std::string_view target) const;
  /// The answer to a request whose body is larger.
  [[nodiscard]] ApiAnswer too_large(std::string_view method, std::string_view target,
                                    const Caller& caller) const;
  /// A caller who may not make the call (security/access.h) is told so, with status 403.
  boost::asio::awaitable<ApiAnswer> handle(std::string method, std::string target, std::string body,
                                           Caller caller) const;

  /// A call that was added.
  struct Call {
    std::string method;
    std::string pattern;
  };
  /// Every call that was added.
  [[nodiscard]] std::vector<Call> calls() const;

 private:
  boost::asio::awaitable<ApiAnswer> dispatch(std::string method, std::string target,
                                             std::string body, Caller caller,
                                             std::string& matched) const;

  /// A call, and its handler.
  struct Route {
    std::string method;
    std::string pattern;
    std::vector<std::string> parts;
    ApiHandler handler;
    CallLimits takes;
  };
  /// What the line of a request asks for.
  struct Asked {
    const Route* route = nullptr;  ///< none: no call has that method and path
    bool is_path = false;          ///< the target is one
    bool is_known_path = false;    ///< some call has it
    std::map<std::string, std::string, std::less<>> path;  ///< what stands where the pattern has {}
    std::map<std::string, std::string, std::less<>> query;
  };
  [[nodiscard]] Asked asked_by(std::string_view method, std::string_view target) const;

  OnAnswer on_answer_;
  std::vector<Route> routes_;
};

/// Adds calls that work on the same `parts`; each keeps a copy. `call(parts, request)` is
/// awaitable.
template <class Parts>
[[nodiscard]] auto calls_on(Router& router, Parts parts) {
  return [&router, parts](const char* method, const char* pattern, auto call) {
    router.on(method, pattern,
              [parts, call](ApiRequest request) { return call(parts, std::move(request)); });
  };
}

/// {"error": {...}} with the status that the code stands for.
[[nodiscard]] ApiAnswer answer_of(const Error& error);

}  // namespace cardswap
