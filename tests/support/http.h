#pragma once

#include <boost/json/object.hpp>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tests/support/hosts.h"

namespace cardswap::test {

/// A request as it is sent, with the headers Host and Content-Length added.
struct HttpRequest {
  std::string method = "GET";
  std::string target;
  std::string body;
  std::vector<std::pair<std::string, std::string>> headers;
};
/// The answer to an HttpRequest, read to its end.
struct HttpResponse {
  unsigned status = 0;
  boost::json::object body;  ///< empty if the answer is not a JSON object
  std::string content;       ///< the body's bytes
  std::string content_type;
  /// error.code of the body; empty: there is none.
  [[nodiscard]] std::string code() const;
};

/// Makes one request on a connection of its own, without any code of the agent: as a stranger
/// could. Gives up after 10 s. Throws std::exception if no whole answer comes.
[[nodiscard]] HttpResponse ask_over_unix(const Host& host, const HttpRequest& request);
[[nodiscard]] HttpResponse ask_over_tcp(const Host& host, const HttpRequest& request);

}  // namespace cardswap::test
