/// Method: real connections within this host; the kernel is asked who made the other end.

#include "agent/security/loopback_peer.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/v6_only.hpp>

namespace cardswap {
namespace {

namespace asio = boost::asio;
using Tcp = asio::ip::tcp;

struct Connection {
  Connection(const char* listens, const char* called) {
    const Tcp::endpoint here(asio::ip::make_address(listens), 0);
    Tcp::acceptor acceptor(context);
    acceptor.open(here.protocol());
    if (here.protocol() == Tcp::v6()) acceptor.set_option(asio::ip::v6_only(false));
    acceptor.bind(here);
    acceptor.listen();
    const auto port = acceptor.local_endpoint().port();
    client.connect(Tcp::endpoint(asio::ip::make_address(called), port));
    acceptor.accept(server);
    ours = server.local_endpoint();
    theirs = server.remote_endpoint();
  }

  asio::io_context context;
  Tcp::socket client{context};
  Tcp::socket server{context};
  Tcp::endpoint ours;
  Tcp::endpoint theirs;
};

TEST(UserAt, IsWhoMadeTheOtherEndInEitherFamily) {
  const Connection v4("127.0.0.1", "127.0.0.1");
  EXPECT_EQ(user_at(v4.ours, v4.theirs), ::geteuid());
  const Connection mapped("::", "127.0.0.1");
  ASSERT_TRUE(mapped.theirs.address().is_v6());
  EXPECT_EQ(user_at(mapped.ours, mapped.theirs), ::geteuid());
  const Connection v6("::1", "::1");
  EXPECT_EQ(user_at(v6.ours, v6.theirs), ::geteuid());
}

TEST(UserAt, IsStillTheirsWhenTheyOnlyStoppedSending) {
  Connection half("127.0.0.1", "127.0.0.1");
  half.client.shutdown(Tcp::socket::shutdown_send);
  EXPECT_EQ(user_at(half.ours, half.theirs), ::geteuid());
}

/// The kernel gives a socket that nobody holds any more to uid 0.
TEST(UserAt, IsNobodyOnceTheirSocketIsClosed) {
  Connection left("127.0.0.1", "127.0.0.1");
  left.client.close();
  EXPECT_EQ(user_at(left.ours, left.theirs), std::nullopt);
}

TEST(UserAt, IsNobodyForAListenerOrForAnotherHost) {
  const Connection one("127.0.0.1", "127.0.0.1");
  asio::io_context context;
  const Tcp::acceptor listener(context, Tcp::endpoint(asio::ip::address_v4::loopback(), 0));
  EXPECT_EQ(user_at(one.ours, listener.local_endpoint()), std::nullopt);
  const Tcp::endpoint far(asio::ip::make_address("192.0.2.1"), one.theirs.port());
  EXPECT_EQ(user_at(one.ours, far), std::nullopt);
  EXPECT_EQ(user_at(far, one.theirs), std::nullopt);
}

}  // namespace
}  // namespace cardswap
