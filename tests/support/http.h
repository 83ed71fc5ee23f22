#pragma once

#include <boost/json/object.hpp>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tests/support/hosts.h"

namespace cardswap::test {

struct HttpRequest {
  std::string method = "GET";
  std::string target;
  std::string body;
  std::vector<std::pair<std::string, std::string>> headers;
};
struct HttpAnswer {
  unsigned status = 0;
  boost::json::object body;  ///< empty when the answer is no JSON object
  std::string content;       ///< as it came
  std::string content_type;
  /// error.code of the body, or nothing.
  [[nodiscard]] std::string code() const;
};

/// One request on a connection of its own, with no code of the agent in between: what a stranger
/// could send. Gives up after 10 s. Throws std::exception when no whole answer comes.
[[nodiscard]] HttpAnswer ask_over_unix(const Host& host, const HttpRequest& request);
[[nodiscard]] HttpAnswer ask_over_tcp(const Host& host, const HttpRequest& request);

}  // namespace cardswap::test
