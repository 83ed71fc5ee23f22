/// Method: a store on a port of the loopback, and connections that speak torch's protocol byte by
/// byte, on the test's own thread.

#include "agent/gang/rendezvous/tcp_store.h"

#include <gmock/gmock.h>

#include <boost/asio/connect.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/write.hpp>
#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "migrator/base/error.h"

namespace cardswap::gang {
namespace {

using boost::asio::ip::tcp;
using ::testing::IsEmpty;

constexpr std::chrono::seconds kPatience{20};

std::string number(auto value) { return {reinterpret_cast<const char*>(&value), sizeof(value)}; }
std::string text(const std::string& value) { return number(std::uint64_t{value.size()}) + value; }
std::string query(StoreQuery which) { return number(static_cast<std::uint8_t>(which)); }

class Store : public ::testing::Test {
 protected:
  ~Store() override {
    store_->close();
    tasks_.stop();
    io_.run_for(kPatience);
  }

  /// A connection that has said the magic number.
  std::unique_ptr<tcp::socket> connect() {
    auto socket = silent();
    say(*socket, query(StoreQuery::validate) + number(kStoreMagic));
    return socket;
  }
  std::unique_ptr<tcp::socket> silent() {
    auto socket = std::make_unique<tcp::socket>(own_);
    socket->connect({boost::asio::ip::make_address("127.0.0.1"), store_->port()});
    socket->non_blocking(true);
    return socket;
  }
  static void say(tcp::socket& socket, const std::string& bytes) {
    boost::asio::write(socket, boost::asio::buffer(bytes));
  }
  /// What comes until there are so many bytes; fewer: the connection was closed.
  std::string hear(tcp::socket& socket, std::size_t size) {
    std::string heard;
    const auto until = std::chrono::steady_clock::now() + kPatience;
    while (heard.size() < size && std::chrono::steady_clock::now() < until) {
      io_.restart();
      io_.run_for(std::chrono::milliseconds(1));
      std::string piece(size - heard.size(), '\0');
      boost::system::error_code error;
      const auto got = socket.read_some(boost::asio::buffer(piece), error);
      if (error && error != boost::asio::error::would_block) return heard;
      heard += piece.substr(0, got);
    }
    return heard;
  }
  /// Whether nothing comes although the store has done all that it can do now.
  bool is_silent(tcp::socket& socket) {
    for (int turn = 0; turn < 20; ++turn) {
      io_.restart();
      io_.poll();
    }
    char byte = 0;
    boost::system::error_code error;
    (void)socket.read_some(boost::asio::buffer(&byte, 1), error);
    return error == boost::asio::error::would_block;
  }

  boost::asio::io_context io_, own_;
  TaskGroup tasks_{io_};
  std::shared_ptr<TcpStore> store_ = [this] {
    auto made = std::make_shared<TcpStore>(io_, tasks_, "127.0.0.1", std::set<std::string>{});
    made->start();
    return made;
  }();
};

TEST_F(Store, AnswersAsTorchsOwn) {
  const auto client = connect();
  say(*client, query(StoreQuery::ping) + number(std::uint32_t{4711}));
  EXPECT_EQ(hear(*client, 4), number(std::uint32_t{4711}));
  say(*client, query(StoreQuery::set) + text("key") + text("value"));
  say(*client, query(StoreQuery::get) + text("key"));
  EXPECT_EQ(hear(*client, 13), text("value"));
  say(*client, query(StoreQuery::add) + text("n") + number(std::int64_t{-3}));
  EXPECT_EQ(hear(*client, 8), number(std::int64_t{-3}));
  say(*client, query(StoreQuery::add) + text("n") + number(std::int64_t{5}));
  EXPECT_EQ(hear(*client, 8), number(std::int64_t{2}));
  say(*client, query(StoreQuery::append) + text("key") + text("s"));
  say(*client, query(StoreQuery::get_many) + number(std::uint64_t{2}) + text("n") + text("key"));
  EXPECT_EQ(hear(*client, 23), text("2") + text("values"));
  say(*client, query(StoreQuery::check) + number(std::uint64_t{2}) + text("n") + text("absent"));
  EXPECT_EQ(hear(*client, 1), number(StoreCheck::not_ready));
  say(*client, query(StoreQuery::compare_set) + text("new") + text("") + text("first"));
  EXPECT_EQ(hear(*client, 13), text("first"));
  say(*client, query(StoreQuery::compare_set) + text("new") + text("other") + text("second"));
  EXPECT_EQ(hear(*client, 13), text("first"));
  say(*client, query(StoreQuery::count_keys));
  EXPECT_EQ(hear(*client, 8), number(std::int64_t{3}));
  say(*client, query(StoreQuery::remove) + text("new"));
  EXPECT_EQ(hear(*client, 8), number(std::int64_t{1}));
}

TEST_F(Store, ClosesAConnectionThatSaysNothing) {
  store_->close();
  store_ = std::make_shared<TcpStore>(io_, tasks_, "127.0.0.1", std::set<std::string>{}, 0,
                                      std::chrono::milliseconds(1));
  store_->start();
  const auto client = silent();
  const auto began = std::chrono::steady_clock::now();
  EXPECT_EQ(hear(*client, 1), "");
  EXPECT_LT(std::chrono::steady_clock::now() - began, kPatience) << "it was closed";
}

TEST_F(Store, ClosesAConnectionThatAnnouncesMoreKeysThanItMayHave) {
  const auto client = connect();
  say(*client, query(StoreQuery::set_many) + number(std::uint64_t{kStoreKeysMax + 1}));
  const auto began = std::chrono::steady_clock::now();
  EXPECT_EQ(hear(*client, 1), "");
  EXPECT_LT(std::chrono::steady_clock::now() - began, kPatience) << "it was closed";
}

TEST_F(Store, TellsWhoWaitsOnceAllKeysAreThere) {
  const auto waits = connect();
  const auto sets = connect();
  say(*waits, query(StoreQuery::wait) + number(std::uint64_t{2}) + text("a") + text("b"));
  say(*sets, query(StoreQuery::set) + text("a") + text("1") + query(StoreQuery::count_keys));
  ASSERT_EQ(hear(*sets, 8), number(std::int64_t{1}));
  EXPECT_TRUE(is_silent(*waits));
  say(*sets, query(StoreQuery::set_many) + number(std::uint64_t{1}) + text("b") + text("2"));
  EXPECT_EQ(hear(*waits, 1), number(StoreWait::over));
}

TEST_F(Store, LetsAWaitBeCalledOff) {
  const auto waits = connect();
  say(*waits, query(StoreQuery::wait) + number(std::uint64_t{1}) + text("a"));
  say(*waits, query(StoreQuery::cancel_wait));
  EXPECT_EQ(hear(*waits, 1), number(StoreWait::cancelled));
  say(*waits, query(StoreQuery::set) + text("a") + text("1") + query(StoreQuery::count_keys));
  EXPECT_EQ(hear(*waits, 8), number(std::int64_t{1})) << "it is told of a wait that it called off";
}

TEST_F(Store, ClosesToThoseWhoSpeakOtherwiseOrAskForTooMuch) {
  const auto stranger = silent();
  say(*stranger, "GET / HTTP/1.1\r\n\r\n");
  EXPECT_THAT(hear(*stranger, 1), IsEmpty());
  const auto greedy = connect();
  say(*greedy, query(StoreQuery::set) + text("key") + number(std::uint64_t{1} << 40U));
  EXPECT_THAT(hear(*greedy, 1), IsEmpty());
  const auto odd = connect();
  say(*odd, std::string(1, '\x40'));
  EXPECT_THAT(hear(*odd, 1), IsEmpty());
  const auto other = connect();
  say(*other, query(StoreQuery::count_keys));
  EXPECT_EQ(hear(*other, 8), number(std::int64_t{0})) << "and what they said is not kept";
}

TEST_F(Store, IsOpenedAgainWhereAnEarlierOneWasWithoutItsValues) {
  const auto before = connect();
  say(*before, query(StoreQuery::set) + text("a") + text("1") + query(StoreQuery::count_keys));
  ASSERT_EQ(hear(*before, 8), number(std::int64_t{1}));
  const auto port = store_->port();
  store_->close();  // with a connection, whose end stays in the kernel for a while
  EXPECT_THAT(hear(*before, 1), IsEmpty());
  store_ = std::make_shared<TcpStore>(io_, tasks_, "127.0.0.1", std::set<std::string>{}, port);
  store_->start();
  EXPECT_EQ(store_->port(), port);
  const auto after = connect();
  say(*after, query(StoreQuery::count_keys));
  EXPECT_EQ(hear(*after, 8), number(std::int64_t{0}));
}

TEST(StoreValues, HoldNoMoreThanTheirBounds) {
  StoreValues values;
  const std::string large(kStoreValueBytesMax, 'x');
  std::size_t held = 0;
  EXPECT_THROW(
      {
        for (; held < 1000; ++held) values.set(std::to_string(held), large);
      },
      Error);
  EXPECT_LT(held, kStoreBytesMax / kStoreValueBytesMax + 1);
  EXPECT_EQ(values.size(), held) << "what is refused changes nothing";
  EXPECT_EQ(values.remove("0"), 1);
  EXPECT_NO_THROW(values.set("0", large));
  values.set("n", std::to_string(std::numeric_limits<std::int64_t>::max()));
  EXPECT_THROW((void)values.add("n", 1), Error);
}

}  // namespace
}  // namespace cardswap::gang
