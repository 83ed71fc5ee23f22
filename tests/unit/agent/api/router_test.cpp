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
  ApiAnswer ask(std::string method, std::string target, std::string body = "") {
    asio::io_context context;
    ApiAnswer answer;
    asio::co_spawn(
        context,
        router_.handle(std::move(method), std::move(target), std::move(body), Caller::owns("root")),
        [&answer](const std::exception_ptr& error, ApiAnswer told) {
          if (!error) answer = std::move(told);
        });
    context.run();
    return answer;
  }
  static std::string code_in(const ApiAnswer& answer) {
    return std::string(answer.body.at("error").at("code").as_string());
  }

  Router router_;
};

asio::awaitable<ApiAnswer> fail_with(boost::system::error_code error) {
  throw boost::system::system_error(error);
  co_return ApiAnswer{};
}

TEST_F(Routing, ASocketsErrorIsNotACancellation) {
  router_.on("GET", "/v1/full", [](ApiRequest) { return fail_with(asio::error::no_descriptors); });
  router_.on("GET", "/v1/ended",
             [](ApiRequest) { return fail_with(asio::error::operation_aborted); });
  EXPECT_EQ(code_in(ask("GET", "/v1/full")), "io");
  EXPECT_EQ(code_in(ask("GET", "/v1/ended")), "cancelled");
}

}  // namespace
}  // namespace cardswap
