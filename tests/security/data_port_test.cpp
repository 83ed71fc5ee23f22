/// Method: two agents, a job on its way from one to the other, and somebody at another address of
/// this machine's lo who sends UCX what ends its process, at every port that the two programs have
/// open.

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include <boost/json.hpp>

#include "migrator/base/descriptor.h"
#include "tests/support/hosts.h"
#include "tests/support/http.h"
#include "tests/support/leftovers.h"
#include "tests/support/raw_client.h"

namespace cardswap::test {
namespace {

using namespace std::chrono_literals;

/// Says 4 KiB of zeros from `from`, where it is let in.
bool says_zeros(const std::string& from, const ListeningPort& to) {
  const Descriptor socket(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  sockaddr_in here{};
  here.sin_family = AF_INET;
  ::inet_pton(AF_INET, from.c_str(), &here.sin_addr);
  auto there = here;
  ::inet_pton(AF_INET, to.host.c_str(), &there.sin_addr);
  there.sin_port = htons(to.port);
  EXPECT_EQ(::bind(socket.get(), reinterpret_cast<const sockaddr*>(&here), sizeof(here)), 0);
  (void)::connect(socket.get(), reinterpret_cast<const sockaddr*>(&there), sizeof(there));
  pollfd ready{socket.get(), POLLOUT, 0};
  if (::poll(&ready, 1, 300) != 1 || (ready.revents & POLLERR) != 0) return false;
  const std::string zeros(4096, '\0');
  (void)::send(socket.get(), zeros.data(), zeros.size(), MSG_NOSIGNAL);
  return true;
}

TEST(DataPorts, AreOpenToTheOtherSideOfTheMoveAlone) {
  const TempDir dir;
  const NothingOutlives guard(dir.path());
  Host a(dir.path() / "a", {.name = "a", .transports = "tcp"});
  Host b(dir.path() / "b", {.name = "b", .transports = "tcp"});
  const std::vector<std::string> program{
      trainer("plain_memory"), "--steps", "900", "--bytes", "2000000", "--step-ms", "5"};
  auto argv = program;
  const auto log = dir.path() / "losses";
  argv.insert(argv.end(), {"--loss-log", log.string()});
  a.run_job("job", argv);
  ASSERT_TRUE(within(10s, [&] { return a.step_of("job") >= 3; }));
  const auto id = text(a.ask({"migrate", "job", "--to", b.at("cpu:0"), "--max-downtime", "none",
                              "--hold-at", "converged", "--detach"}),
                       "id");
  ASSERT_TRUE(within(20s, [&] { return a.ask({"status", id}).at("held").as_bool(); })) << a.log();
  std::size_t tried = 0;
  for (const auto& host : {&a, &b}) {
    for (const auto& port : listening_ports(processes_of(host->dir()))) {
      if (port.port == host->port()) continue;  // the agent's own
      EXPECT_FALSE(says_zeros("127.0.0.9", port)) << port.host << " " << port.port;
      ++tried;
    }
  }
  EXPECT_GE(tried, 3U) << "a standby's data port, and one of each UCX";
  const HttpRequest proceed{.method = "POST", .target = "/v1/migrations/" + id + "/proceed"};
  EXPECT_EQ(ask_over_unix(a, proceed).status, 200U);
  ASSERT_TRUE(within(30s, [&] { return !text(a.ask({"status", id}), "result").empty(); }));
  EXPECT_EQ(text(a.ask({"status", id}), "result"), "ok") << a.log() << b.log();
  ASSERT_TRUE(b.ended_within("job", 30s));
  EXPECT_EQ(losses(log), undisturbed(program));
}

}  // namespace
}  // namespace cardswap::test
