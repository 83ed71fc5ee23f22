/// Method: connections that were opened while a certificate counted, and are used after it does
/// not: it was revoked and the list reloaded, or it has ended.

#include <gmock/gmock.h>
#include <signal.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_future.hpp>
#include <boost/json.hpp>
#include <ctime>
#include <fstream>

#include "agent/http/connection_pool.h"
#include "agent/security/certificate_validity.h"
#include "agent/security/identity.h"
#include "agent/security/pki.h"
#include "migrator/base/error.h"
#include "tests/support/fleet_certificates.h"

namespace cardswap::test {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

/// One connection that is kept, as whoever holds `files`.
class KeptConnection {
 public:
  KeptConnection(const Host& host, const tls::Files& files) {
    tls::Identity::use(context_, tls::client_context(files));
    http::Request request;
    request.target = "/v1/jobs";
    connection_ = finished(http::Connection::open(
        http::Endpoint::tcp("127.0.0.1", static_cast<std::uint16_t>(host.port())), request,
        std::chrono::steady_clock::now() + 10s));
  }
  /// The status of a job's start, and whether the other side keeps the connection.
  [[nodiscard]] unsigned start(const std::string& name) {
    http::Request request;
    request.method = "POST";
    request.target = "/v1/jobs";
    request.body = boost::json::object{{"name", name}, {"argv", {"/bin/true"}}, {"cwd", "/"}};
    return finished(connection_->exchange(request, std::chrono::steady_clock::now() + 10s, true))
        .status;
  }
  [[nodiscard]] bool is_reusable() const { return connection_->is_reusable(); }

 private:
  template <class Result>
  Result finished(boost::asio::awaitable<Result> task) {
    auto result = boost::asio::co_spawn(context_, std::move(task), boost::asio::use_future);
    context_.restart();
    context_.run();
    return result.get();
  }

  boost::asio::io_context context_;
  std::unique_ptr<http::Connection> connection_;
};

void revoke(const FleetCertificates& fleet, const std::string& name) {
  std::vector<std::string> argv{CARDSWAP, "pki", "revoke", fleet.dir().string()};
  if (!name.empty()) argv.insert(argv.end(), {"--name", name});
  ASSERT_EQ(run(argv).exit_code, 0);
}

/// How often the agent has read its files anew.
std::size_t reloads(const Host& host) {
  const auto log = host.log();
  std::size_t count = 0;
  for (auto at = log.find("read anew"); at != std::string::npos; at = log.find("read anew", at + 1))
    ++count;
  return count;
}

TEST(Certificate, ThatWasRevokedEndsTheLinesThatAreKept) {
  const FleetCertificates fleet;
  const TempDir dir;
  const auto olga = fleet.issue(ApiRole::operator_, "olga");
  const auto omar = fleet.issue(ApiRole::operator_, "omar");
  revoke(fleet, "");
  auto more = FleetCertificates::options(fleet.issue(ApiRole::agent, "a", {"127.0.0.1"}));
  more.insert(more.end(), {"--tls-crl", (fleet.dir() / "ca.crl").string()});
  const Host a(dir.path() / "a", {.name = "a", .more = more});
  KeptConnection hers(a, olga);
  KeptConnection his(a, omar);
  EXPECT_EQ(hers.start("one"), 201U);
  EXPECT_EQ(his.start("two"), 201U);

  revoke(fleet, "olga");
  ::kill(a.agent_pid(), SIGHUP);
  ASSERT_TRUE(within(10s, [&] { return reloads(a) == 1; }));
  EXPECT_EQ(hers.start("three"), 401U);
  EXPECT_FALSE(hers.is_reusable());
  EXPECT_THAT(a.job("three"), IsEmpty());
  EXPECT_EQ(his.start("four"), 201U) << "who is not concerned goes on";
  EXPECT_TRUE(his.is_reusable());
}

TEST(Certificate, ThatHasEndedEndsTheLinesThatAreKept) {
  const FleetCertificates fleet;
  const TempDir dir;
  const Host a(
      dir.path() / "a",
      {.name = "a",
       .more = FleetCertificates::options(fleet.issue(ApiRole::agent, "a", {"127.0.0.1"}))});
  const auto folder =
      pki::issue(fleet.dir(), {ApiRole::operator_, "brief", {}, std::chrono::seconds(4)});
  const tls::Files brief{
      .certificate = folder / "tls.crt", .key = folder / "tls.key", .authority = folder / "ca.crt"};
  KeptConnection line(a, brief);
  int number = 0;
  unsigned status = 0;
  EXPECT_TRUE(within(10s, [&] {
    status = line.start("job-" + std::to_string(number++));
    return status != 201;
  }));
  EXPECT_EQ(status, 401U);
  EXPECT_GT(number, 1) << "it counted at first";
  EXPECT_FALSE(line.is_reusable());
}

/// The other direction: an agent's own lines to another one.
TEST(Certificate, OfAnAgentThatWasRevokedEndsTheLinesToIt) {
  const FleetCertificates fleet;
  const TempDir dir;
  revoke(fleet, "");
  auto files = fleet.issue(ApiRole::agent, "a", {"127.0.0.1"});
  const Host b(
      dir.path() / "b",
      {.name = "b",
       .more = FleetCertificates::options(fleet.issue(ApiRole::agent, "b", {"127.0.0.1"}))});
  boost::asio::io_context context;
  tls::Identity::use(context, tls::client_context(files));
  http::ConnectionPool connections;
  const auto ask = [&] {
    http::Request request;
    request.target = "/v1/version";
    auto answer = boost::asio::co_spawn(
        context,
        connections.call(http::Endpoint::tcp("127.0.0.1", static_cast<std::uint16_t>(b.port())),
                         request),
        boost::asio::use_future);
    context.restart();
    context.run();
    return answer.get();
  };
  EXPECT_NO_THROW(ask());
  EXPECT_NO_THROW(ask());
  revoke(fleet, "b");
  files.revoked = fleet.dir() / "ca.crl";
  tls::Identity::use(context, tls::client_context(files));
  try {
    ask();
    ADD_FAILURE() << "over the line that was kept";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Code::unauthorized);
    EXPECT_THAT(error.failure(), HasSubstr("revoked"));
  }
}

TEST(Certificate, ThatEndsSoonOrHasEndedIsTold) {
  const FleetCertificates fleet;
  const TempDir dir;
  const auto agent = fleet.issue(ApiRole::agent, "a", {"127.0.0.1"});
  pki::revoke(fleet.dir(), "", std::chrono::hours(49));
  auto more = FleetCertificates::options(agent);
  more.insert(more.end(), {"--tls-crl", (fleet.dir() / "ca.crl").string()});
  const Host a(dir.path() / "a", {.name = "a", .more = more});
  auto ready = ask_over_unix(a, {.target = "/readyz"});
  EXPECT_EQ(ready.status, 200U);
  EXPECT_THAT(ready.content, HasSubstr("ca.crl expires in 2 days"));
  EXPECT_THAT(a.log(), HasSubstr("ca.crl expires in 2 days"));
  EXPECT_THAT(ask_over_unix(a, {.target = "/metrics"}).content,
              HasSubstr("cardswap_certificate_end_timestamp_seconds{what=\"revocations\"}"));

  pki::revoke(fleet.dir(), "", std::chrono::seconds(1));
  tls::Files list;
  list.revoked = fleet.dir() / "ca.crl";
  ASSERT_TRUE(within(
      10s, [&] { return tls::expired(tls::expiries_of(list), std::time(nullptr)).size() == 1; }));
  ::kill(a.agent_pid(), SIGHUP);
  ASSERT_TRUE(within(10s, [&] { return reloads(a) == 1; }));
  ready = ask_over_unix(a, {.target = "/readyz"});
  EXPECT_EQ(ready.status, 503U);
  EXPECT_THAT(ready.content, HasSubstr("ca.crl has expired"));
  EXPECT_THAT(a.log(), HasSubstr("ca.crl has expired"));
}

TEST(Expiries, AreToldInTheirOwnTime) {
  const std::vector<tls::Expiry> all{{"certificate", "tls.crt", 1'000'000},
                                     {"authority", "ca.crt", 9'000'000}};
  EXPECT_THAT(tls::expiring_soon(all, 1'000'000 - 8 * 86'400), IsEmpty());
  EXPECT_THAT(tls::expiring_soon(all, 1'000'000 - 3 * 86'400 - 5),
              ElementsAre("the certificate tls.crt expires in 3 days"));
  EXPECT_THAT(tls::expiring_soon(all, 1'000'000 - 600),
              ElementsAre("the certificate tls.crt expires in 10 min"));
  EXPECT_THAT(tls::expired(all, 999'999), IsEmpty());
  EXPECT_THAT(tls::expired(all, 1'000'000), ElementsAre(HasSubstr("tls.crt has expired")));
  EXPECT_THAT(tls::expiring_soon(all, 1'000'000), IsEmpty());
}

}  // namespace
}  // namespace cardswap::test
