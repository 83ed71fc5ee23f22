#include "agent/base/resolve.h"

#include <dlfcn.h>
#include <gtest/gtest.h>
#include <netdb.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <optional>
#include <semaphore>
#include <string_view>

namespace {

constexpr const char* kHung = "hung.invalid";
std::binary_semaphore answers{0};

}  // namespace

/// The host's resolver, which does not answer for one name before it is let.
extern "C" int getaddrinfo(const char* node, const char* service, const addrinfo* hints,
                           addrinfo** found) {
  if (node != nullptr && std::string_view(node) == kHung) {
    answers.acquire();
    return EAI_NONAME;
  }
  // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast): what dlsym() returns
  const auto real = reinterpret_cast<decltype(&getaddrinfo)>(::dlsym(RTLD_NEXT, "getaddrinfo"));
  return real(node, service, hints, found);
}

namespace cardswap::test {
namespace {

namespace asio = boost::asio;
using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

class Resolving : public ::testing::Test {
 protected:
  void ask(const std::string& host, Clock::duration limit) {
    asio::co_spawn(context_, resolve(host, 7070, Clock::now() + limit),
                   [this](const std::exception_ptr& error, Resolved told) {
                     if (!error) told_ = std::move(told);
                   });
    context_.restart();
    while (!told_ && context_.run_one() > 0) {
    }
  }

  asio::io_context context_;
  std::optional<Resolved> told_;
};

TEST_F(Resolving, FindsANameAndAnAddress) {
  ask("127.0.0.1", 1h);
  ASSERT_TRUE(told_);
  ASSERT_EQ(told_->endpoints.size(), 1U);
  EXPECT_EQ(told_->endpoints[0].address().to_string(), "127.0.0.1");
  EXPECT_EQ(told_->endpoints[0].port(), 7070);
  told_.reset();
  ask("localhost", 1h);
  ASSERT_TRUE(told_);
  EXPECT_FALSE(told_->error);
  EXPECT_FALSE(told_->endpoints.empty());
}

TEST_F(Resolving, EndsAtItsTimeThoughTheHostsResolverHangs) {
  ask(kHung, 10ms);
  ASSERT_TRUE(told_);
  EXPECT_EQ(told_->error, asio::error::timed_out);
  EXPECT_TRUE(told_->endpoints.empty());
  answers.release();
  context_.restart();
  context_.run();  // its answer, which nobody waits for
}

}  // namespace
}  // namespace cardswap::test
