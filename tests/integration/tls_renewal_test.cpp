/// Method: certificates of one authority are made, replaced and revoked under agents that run. What
/// counts is who is answered, about whose reservation, before and after SIGHUP.

#include <gmock/gmock.h>
#include <signal.h>

#include <boost/json.hpp>
#include <fstream>

#include "migrator/base/error.h"
#include "tests/support/fleet_certificates.h"

namespace cardswap::test {
namespace {

using namespace std::chrono_literals;

/// Method: an agent's certificate reserves a place by hand; another agent's asks about it.
TEST(Tls, AReservationIsItsOwnersAlone) {
  const FleetCertificates fleet;
  const TempDir dir;
  const auto source = fleet.issue(ApiRole::agent, "a", {"127.0.0.1"});
  const auto third = fleet.issue(ApiRole::agent, "c", {"127.0.0.1"});
  Host b(dir.path() / "b",
         {.name = "b",
          .more = FleetCertificates::options(fleet.issue(ApiRole::agent, "b", {"127.0.0.1"}))});
  const boost::json::object wanted{{"migration", "m-0123456789abcdef"},
                                   {"job", {{"name", "job"}, {"argv", {"/bin/cat"}}, {"cwd", "/"}}},
                                   {"device", "cpu:0"},
                                   {"state_bytes", 4096},
                                   {"epoch", 1}};
  const auto made = ask_over_tls(
      b, source, {.method = "POST", .target = "/v1/peer/reservations", .body = serialize(wanted)});
  ASSERT_EQ(made.status, 200U) << made.content;
  ASSERT_TRUE(made.body.at("accepted").as_bool()) << made.content;

  const std::string place = "/v1/peer/reservations/m-0123456789abcdef";
  const HttpRequest look{.method = "GET", .target = place};
  const HttpRequest grant{.method = "POST",
                          .target = place + "/grant",
                          .body = R"({"epoch": 1, "root": "", "step": 0})"};
  const HttpRequest drop{.method = "DELETE", .target = place};
  for (const auto& request : {look, grant, drop}) {
    EXPECT_EQ(ask_over_tls(b, third, request).status, 404U) << request.method;
  }
  EXPECT_EQ(ask_over_tls(b, source, look).status, 200U);
  EXPECT_EQ(ask_over_tls(b, source, drop).status, 200U);
}

/// Method: one agent; the files it was started with change under it, and it is told by SIGHUP.
TEST(Tls, AReloadTakesNewCertificatesAndRevocations) {
  const FleetCertificates fleet;
  const TempDir dir;
  const auto old = fleet.issue(ApiRole::agent, "old", {"localhost"});
  const auto fresh = fleet.issue(ApiRole::agent, "fresh", {"127.0.0.1"});
  const auto acting = fleet.issue(ApiRole::operator_, "olga");
  const auto viewer = fleet.issue(ApiRole::viewer, "victor");
  const auto list = fleet.dir() / "ca.crl";
  ASSERT_EQ(run({CARDSWAP, "pki", "revoke", fleet.dir().string()}).exit_code, 0);
  auto more = FleetCertificates::options(old);
  more.insert(more.end(), {"--tls-crl", list.string()});
  Host a(dir.path() / "a", {.name = "a", .more = more});
  const HttpRequest jobs{.method = "GET", .target = "/v1/jobs"};
  const auto answered = [&](const tls::Files& files) {
    try {
      return ask_over_tls(a, files, jobs).status == 200;
    } catch (const Error&) {
      return false;
    }
  };
  const auto version = ask_over_unix(a, {.method = "GET", .target = "/v1/version"});
  const auto pid = static_cast<pid_t>(version.body.at("pid").as_int64());
  const auto reload = [pid] { ::kill(pid, SIGHUP); };
  EXPECT_FALSE(answered(acting)) << "its certificate is for another name than we call it by";

  for (const auto& [from, to] :
       {std::pair(fresh.certificate, old.certificate), std::pair(fresh.key, old.key)}) {
    std::filesystem::copy_file(from, to, std::filesystem::copy_options::overwrite_existing);
  }
  reload();
  EXPECT_TRUE(within(10s, [&] { return answered(acting); })) << a.log();

  ASSERT_EQ(run({CARDSWAP, "pki", "revoke", fleet.dir().string(), "--name", "olga"}).exit_code, 0);
  EXPECT_TRUE(answered(acting)) << "not read yet";
  reload();
  EXPECT_TRUE(within(10s, [&] { return !answered(acting); })) << a.log();
  EXPECT_TRUE(answered(viewer));

  std::ofstream(list) << "no list";
  reload();
  EXPECT_TRUE(within(10s, [&] { return a.log().find("still holds") != std::string::npos; }));
  EXPECT_FALSE(answered(acting));
  EXPECT_TRUE(answered(viewer));
}

}  // namespace
}  // namespace cardswap::test
