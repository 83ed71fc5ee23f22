/// An HTTP request as the API reads it, with its bounds: parsed, routed, its body taken apart.

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/beast/http.hpp>
#include <boost/json.hpp>
#include <cstdlib>

#include "agent/api/router.h"
#include "agent/handover/source/migration.h"
#include "agent/jobs/job.h"
#include "tests/fuzz/seeds.h"

namespace {

namespace asio = boost::asio;
namespace http = boost::beast::http;
using namespace cardswap;

Router make_router() {
  Router router;
  router.add("POST", "/v1/jobs", [](ApiRequest request) -> asio::awaitable<ApiResponse> {
    request.only({"name", "argv", "cwd", "env", "device", "restart", "user"});
    co_return ApiResponse{201, to_json(job_spec_from(request.body))};
  });
  router.add("POST", "/v1/migrations", [](ApiRequest request) -> asio::awaitable<ApiResponse> {
    (void)parse_destination(request.text("to"));
    (void)request.flag_or("dry_run", false);
    (void)request.number_or("chunk_bytes", 1);
    co_return ApiResponse{202, boost::json::object{{"job", request.text("job")}}};
  });
  router.add("GET", "/v1/jobs/{name}/logs", [](ApiRequest request) -> asio::awaitable<ApiResponse> {
    co_return ApiResponse{200, boost::json::object{{"name", request.path.at("name")},
                                                   {"offset", request.query_or("offset", 0)}}};
  });
  return router;
}

}  // namespace

std::vector<std::vector<std::byte>> cardswap::fuzz::seeds() {
  const auto post = [](const std::string& target, const std::string& body) {
    return bytes_of("POST " + target + " HTTP/1.1\r\nHost: a\r\nContent-Length: " +
                    std::to_string(body.size()) + "\r\n\r\n" + body);
  };
  return {
      bytes_of("GET /v1/jobs/gpt/logs?offset=-5&limit=7 HTTP/1.1\r\nHost: a\r\n"
               "Authorization: Bearer x\r\nCardswap-Protocol: 1\r\n\r\n"),
      post("/v1/jobs", R"({"name":"a","argv":["p","-x"],"cwd":"/","env":{"A":"b"},"user":"u"})"),
      post("/v1/migrations", R"({"job":"a","to":"[::1]:7070/cpu:0","chunk_bytes":1e6})"),
      bytes_of("POST /v1/jobs HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n")};
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const Router router = make_router();
  http::request_parser<http::string_body> parser;
  parser.body_limit(1U << 20);
  parser.header_limit(16U << 10);
  parser.eager(true);
  boost::system::error_code error;
  std::size_t used = 0;
  while (used < size && !parser.is_done() && !error) {
    const auto took = parser.put(asio::buffer(data + used, size - used), error);
    if (took == 0) break;
    used += took;
  }
  if (error) return 0;
  const auto& request = parser.get();
  asio::io_context context;
  asio::co_spawn(context,
                 router.handle(std::string(request.method_string()), std::string(request.target()),
                               request.body(), Caller::owns("fuzz")),
                 [](const std::exception_ptr& failed, const ApiResponse& answer) {
                   if (failed || answer.status >= 500) std::abort();
                   (void)boost::json::serialize(answer.body);
                 });
  context.run();
  return 0;
}
