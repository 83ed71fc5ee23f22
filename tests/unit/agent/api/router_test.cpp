#include "agent/api/router.h"

#include <gtest/gtest.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <string>

namespace cardswap {
namespace {

namespace asio = boost::asio;

class Routing : public ::testing::Test {
 protected:
  ApiResponse ask(std::string method, std::string target, std::string body = "") {
    asio::io_context context;
    ApiResponse answer;
    asio::co_spawn(
        context,
        router_.handle(std::move(method), std::move(target), std::move(body), Caller::owns("root")),
        [&answer](const std::exception_ptr& error, ApiResponse told) {
          if (!error) answer = std::move(told);
        });
    context.run();
    return answer;
  }
  static std::string code_in(const ApiResponse& answer) {
    return std::string(answer.body.at("error").at("code").as_string());
  }

  Router router_;
};

asio::awaitable<ApiResponse> tell(std::string text) {
  co_return ApiResponse{.body = boost::json::object{{"told", std::move(text)}}};
}

TEST_F(Routing, FindsACallByMethodAndPathAndGivesWhatStandsInIt) {
  router_.add("GET", "/v1/jobs/{name}", [](ApiRequest request) {
    return tell(request.path.at("name") + request.query.at("as"));
  });
  router_.add("POST", "/v1/jobs/{name}",
              [](ApiRequest request) { return tell(request.text("to")); }, {.body_bytes = 7});
  EXPECT_EQ(ask("GET", "/v1/jobs/a%2Fb?as=json").body.at("told"), "a/bjson");
  EXPECT_EQ(ask("POST", "/v1/jobs/gpt", R"({"to": "gpu-b"})").body.at("told"), "gpu-b");
  EXPECT_EQ(router_.body_bytes_max("POST", "/v1/jobs/gpt"), 7U);
  EXPECT_EQ(router_.body_bytes_max("PUT", "/v1/jobs/gpt"), RouteLimits::kBodyBytes);
  EXPECT_EQ(code_in(ask("PUT", "/v1/jobs/gpt")), "not_found");
  EXPECT_EQ(ask("PUT", "/v1/jobs/gpt").body.at("error").at("failure"),
            "PUT is not for /v1/jobs/gpt");
  EXPECT_EQ(ask("GET", "/v1/nothing").body.at("error").at("failure"), "there is no /v1/nothing");
  EXPECT_EQ(code_in(ask("GET", "v1 jobs")), "bad_request");
  EXPECT_EQ(code_in(ask("POST", "/v1/jobs/gpt", R"({"to": "a", "to": "b"})")), "bad_request");
}

asio::awaitable<ApiResponse> fail_with(boost::system::error_code error) {
  throw boost::system::system_error(error);
  co_return ApiResponse{};
}

TEST_F(Routing, ASocketsErrorIsNotACancellation) {
  router_.add("GET", "/v1/full", [](ApiRequest) { return fail_with(asio::error::no_descriptors); });
  router_.add("GET", "/v1/ended",
              [](ApiRequest) { return fail_with(asio::error::operation_aborted); });
  EXPECT_EQ(code_in(ask("GET", "/v1/full")), "io");
  EXPECT_EQ(code_in(ask("GET", "/v1/ended")), "cancelled");
}

}  // namespace
}  // namespace cardswap
