#include "agent/api/tcp_port.h"

#include <gmock/gmock.h>

#include "migrator/base/error.h"

namespace cardswap {
namespace {

namespace asio = boost::asio;
using ::testing::HasSubstr;

TEST(TcpPort, IsAFreeOneThatCallersReachBeforeItAccepts) {
  asio::io_context context;
  const auto port = open_tcp_port(context, {"127.0.0.1", 0});
  EXPECT_NE(port.local_endpoint().port(), 0);
  asio::ip::tcp::socket caller(context);
  EXPECT_NO_THROW(caller.connect(port.local_endpoint()));
}

TEST(TcpPort, ThatSomebodyElseHasIsRefusedByName) {
  asio::io_context context;
  const auto others = open_tcp_port(context, {"127.0.0.1", 0});
  const Address taken{"127.0.0.1", others.local_endpoint().port()};
  try {
    (void)open_tcp_port(context, taken);
    FAIL() << "two listen at " << taken.text();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Code::io);
    EXPECT_THAT(error.what(), HasSubstr("listen on " + taken.text()));
  }
}

TEST(TcpPort, OfAnotherHostIsRefused) {
  asio::io_context context;
  EXPECT_THROW((void)open_tcp_port(context, {"192.0.2.1", 0}), Error);
}

}  // namespace
}  // namespace cardswap
