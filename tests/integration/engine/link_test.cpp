/// Method: two links over real UCX on loopback, both served by the test's thread. An event does
/// what an engine does that waits for its card or its program: it serves its link until something
/// comes.

#include <arpa/inet.h>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <ifaddrs.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include <functional>

#include "migrator/base/descriptor.h"

#include "migrator/base/error.h"
#include "migrator/link/link.h"
#include "migrator/link/ucx/handles.h"
#include "migrator/link/ucx/net_devices.h"
#include "migrator/link/ucx/peer_filter.h"
#include "tests/support/needs.h"
#include "tests/support/sanitizer.h"

namespace cardswap {
namespace {

using namespace std::chrono_literals;
using Bytes = std::vector<std::byte>;
using Clock = std::chrono::steady_clock;
using ::testing::ElementsAre;

constexpr std::size_t kMiB = 1U << 20U;

Bytes bytes(std::string_view text) {
  const auto raw = std::as_bytes(std::span(text));
  return {raw.begin(), raw.end()};
}

struct Heard final : LinkListener {
  void on_control(LinkId from, std::span<const std::byte> message) override {
    peer = from;
    const std::string text(reinterpret_cast<const char*>(message.data()),
                           message.size());  // NOLINT
    heard.push_back(text);
    if (act) act(text);
    heard.push_back(text + " done");
  }
  std::span<std::byte> reserve(LinkId, std::span<const std::byte>, std::size_t size) override {
    if (refuses) throw Error(Code::bad_request, "nobody asked for it");
    payload.assign(size, std::byte{0});
    return payload;
  }
  void on_received(LinkId, std::span<const std::byte>, std::size_t) override { ++landed; }
  void on_lost(LinkId, std::string_view why) override { lost = why; }
  [[nodiscard]] bool admits() const override { return holds_short; }

  bool holds_short = false;
  std::function<void(const std::string&)> act;
  bool refuses = false;
  LinkId peer{};
  std::vector<std::string> heard;
  Bytes payload;
  std::size_t landed = 0;
  std::string lost;
};

class UcxLinks : public ::testing::Test {
 protected:
  template <class Condition>
  bool serve_until(Condition condition) {
    const auto until = Clock::now() + 10s * test::kPatience;
    while (!condition() && Clock::now() < until) {
      client_->wait(Clock::now());
      server_->wait(Clock::now() + 1ms);
    }
    return condition();
  }
  template <class Condition>
  bool serve_all(const std::vector<Link*>& others, Condition condition) {
    const auto until = Clock::now() + 10s * test::kPatience;
    while (!condition() && Clock::now() < until) {
      for (auto* other : others) other->wait(Clock::now());
      server_->wait(Clock::now() + 1ms);
    }
    return condition();
  }
  Heard at_server_;
  Heard at_client_;
  std::unique_ptr<Link> server_ = listen_bare_link("127.0.0.1", {"tcp"}, at_server_);
  std::unique_ptr<Link> client_ =
      connect_bare_link("127.0.0.1", server_->port(), {"tcp"}, at_client_);
};

TEST_F(UcxLinks, DeliverAnEventWhoseHandlerServesTheLink) {
  const Bytes payload(kMiB, std::byte{7});
  at_server_.act = [&](const std::string& text) {
    if (text != "first") return;
    client_->send_control(kServer, bytes("second"));
    client_->send_payload(kServer, bytes("header"), payload);
    EXPECT_TRUE(
        serve_until([&] { return at_server_.landed == 1 && at_server_.heard.size() >= 3; }));
  };
  client_->send_control(kServer, bytes("first"));
  ASSERT_TRUE(serve_until([&] { return at_server_.heard.size() == 4; }));
  EXPECT_THAT(at_server_.heard, ElementsAre("first", "second", "second done", "first done"));
  EXPECT_EQ(at_server_.payload, payload);
  EXPECT_EQ(at_server_.lost + at_client_.lost, "");
}

TEST_F(UcxLinks, DropAPeerFromItsOwnEvent) {
  at_server_.act = [&](const std::string&) { server_->drop(at_server_.peer); };
  const auto before = Clock::now();
  client_->send_control(kServer, bytes("first"));
  client_->send_control(kServer, bytes("second"));
  ASSERT_TRUE(serve_until([&] { return !at_client_.lost.empty(); }));
  EXPECT_THAT(at_server_.heard, ElementsAre("first", "first done")) << "it is nobody's any more";
  EXPECT_LT(Clock::now() - before, 5s * test::kPatience);
}

TEST_F(UcxLinks, LoseAPeerWhosePayloadIsRefusedAndNobodyElse) {
  const Bytes payload(kMiB, std::byte{7});
  at_server_.refuses = true;
  client_->send_payload(kServer, bytes("header"), payload);
  ASSERT_TRUE(serve_until([&] { return !at_server_.lost.empty() && !at_client_.lost.empty(); }));
  EXPECT_EQ(at_server_.lost, "nobody asked for it");
  EXPECT_EQ(at_server_.landed, 0U);
  at_server_.refuses = false;
  Heard at_other;
  client_ = connect_bare_link("127.0.0.1", server_->port(), {"tcp"}, at_other);
  client_->send_payload(kServer, bytes("header"), payload);
  EXPECT_TRUE(serve_until([&] { return at_server_.landed == 1; }));
  EXPECT_EQ(at_server_.payload, payload);
  client_.reset();
}

/// Whether a TCP connection from an address of lo can be made.
bool can_connect(const char* from, std::uint16_t port) {
  const Descriptor socket(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  sockaddr_in here{};
  here.sin_family = AF_INET;
  ::inet_pton(AF_INET, from, &here.sin_addr);
  auto there = here;
  ::inet_pton(AF_INET, "127.0.0.1", &there.sin_addr);
  there.sin_port = htons(port);
  EXPECT_EQ(::bind(socket.get(), reinterpret_cast<const sockaddr*>(&here), sizeof(here)), 0);
  (void)::connect(socket.get(), reinterpret_cast<const sockaddr*>(&there), sizeof(there));
  pollfd ready{socket.get(), POLLOUT, 0};
  return ::poll(&ready, 1, 400) == 1 && (ready.revents & POLLERR) == 0;
}

/// Every IPv4 address of this machine but those that begin with 127: UCX uses each interface.
std::string own_addresses() {
  std::string all;
  ifaddrs* first = nullptr;
  if (::getifaddrs(&first) != 0) return all;
  for (const auto* each = first; each != nullptr; each = each->ifa_next) {
    if (each->ifa_addr == nullptr || each->ifa_addr->sa_family != AF_INET) continue;
    char text[INET_ADDRSTRLEN];
    const auto* address = &reinterpret_cast<const sockaddr_in*>(each->ifa_addr)->sin_addr;
    const std::string found = ::inet_ntop(AF_INET, address, text, sizeof(text));
    if (!found.starts_with("127.")) all += found + " ";
  }
  ::freeifaddrs(first);
  return all;
}

TEST_F(UcxLinks, AreReachedByThoseWhoMayComeAndByNobodyElse) {
  EXPECT_TRUE(can_connect("127.0.0.9", server_->port())) << "anybody, as nobody was named";
  client_.reset();
  // The program's own, which began to listen earlier, is nobody's business.
  const Descriptor own(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in any{};
  any.sin_family = AF_INET;
  ASSERT_EQ(::bind(own.get(), reinterpret_cast<const sockaddr*>(&any), sizeof(any)), 0);
  ASSERT_EQ(::listen(own.get(), 8), 0);
  socklen_t size = sizeof(any);
  ASSERT_EQ(::getsockname(own.get(), reinterpret_cast<sockaddr*>(&any), &size), 0);

  server_ = listen_bare_link("127.0.0.1", {"tcp", own_addresses() + "10.1.2.3 fd00::7 127.0.0.1"},
                             at_server_);
  client_ = connect_bare_link("127.0.0.1", server_->port(),
                              {"tcp", own_addresses() + "127.0.0.1 fd00::8"}, at_client_);
  EXPECT_FALSE(can_connect("127.0.0.9", server_->port()));
  EXPECT_TRUE(can_connect("127.0.0.1", server_->port()));
  EXPECT_TRUE(can_connect("127.0.0.9", ntohs(any.sin_port)));

  const Bytes payload(kMiB, std::byte{7});
  client_->send_payload(kServer, bytes("header"), payload);
  EXPECT_TRUE(serve_until([&] { return at_server_.landed == 1; }));
  EXPECT_EQ(at_server_.payload, payload);
  EXPECT_EQ(at_server_.lost + at_client_.lost, "");
}

/// Whether a connection over IPv6's loopback passes the filter; nothing: there is no IPv6.
std::optional<bool> passes_v6(const std::string& addresses) {
  const Descriptor listening(::socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in6 here{};
  here.sin6_family = AF_INET6;
  here.sin6_addr = in6addr_loopback;
  auto* at = reinterpret_cast<sockaddr*>(&here);
  socklen_t size = sizeof(here);
  if (::bind(listening.get(), at, size) != 0) return std::nullopt;
  auto code = ucx::filter_for(addresses);
  const sock_fprog program{static_cast<unsigned short>(code.size()), code.data()};
  EXPECT_EQ(::setsockopt(listening.get(), SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program)),
            0);
  EXPECT_EQ(::listen(listening.get(), 8) + ::getsockname(listening.get(), at, &size), 0);
  const Descriptor coming(::socket(AF_INET6, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  (void)::connect(coming.get(), at, size);
  pollfd ready{coming.get(), POLLOUT, 0};
  return ::poll(&ready, 1, 400) == 1 && (ready.revents & POLLERR) == 0;
}

TEST(PeerFilter, KnowsEachAddressWholeInIPv6) {
  if (!passes_v6("::1")) return test::skip_without("ipv6", "no IPv6 here");
  EXPECT_EQ(passes_v6("10.0.0.1 fd00::7 ::1 fd00::8"), true);
  EXPECT_EQ(passes_v6("::1:0:0:1 1::1 ::1:1 ::2 127.0.0.1 ::ffff:0.0.0.1"), false);
  EXPECT_EQ(passes_v6("no address"), false);
}

TEST_F(UcxLinks, HoldAPeerShortUntilItIsAdmitted) {
  client_.reset();
  at_server_.holds_short = true;
  const Bytes large(100U << 10, std::byte{1});
  {
    Heard at_stranger;
    const auto stranger = connect_bare_link("127.0.0.1", server_->port(), {"tcp"}, at_stranger);
    stranger->send_control(kServer, large);
    EXPECT_TRUE(serve_all({stranger.get()}, [&] { return !at_stranger.lost.empty(); }));
    EXPECT_THAT(at_server_.lost, ::testing::HasSubstr("no token"));
  }
  // What it says behind its token may be large at once.
  at_server_.lost.clear();
  at_server_.act = [&](const std::string& text) {
    if (text == "token") server_->admit(at_server_.peer);
  };
  Heard at_source;
  const auto source = connect_bare_link("127.0.0.1", server_->port(), {"tcp"}, at_source);
  source->send_control(kServer, bytes("token"));
  source->send_control(kServer, large);
  EXPECT_TRUE(serve_all({source.get()}, [&] {
    return !at_server_.heard.empty() && at_server_.heard.back().size() > large.size();
  }));
  EXPECT_EQ(at_server_.lost, "");
}

TEST_F(UcxLinks, TurnThoseAwayWhoShowNoTokenInTimeOrWhenOthersCome) {
  client_.reset();
  at_server_.holds_short = true;
  constexpr std::size_t kMoreThanFit = 17;
  std::vector<std::unique_ptr<Heard>> heard;
  std::vector<std::unique_ptr<Link>> strangers;
  std::vector<Link*> all;
  for (std::size_t i = 0; i < kMoreThanFit; ++i) {
    heard.push_back(std::make_unique<Heard>());
    strangers.push_back(connect_bare_link("127.0.0.1", server_->port(), {"tcp"}, *heard.back()));
    strangers.back()->send_control(kServer, bytes("hm"));
    all.push_back(strangers.back().get());
    const auto before = at_server_.heard.size();
    EXPECT_TRUE(serve_all(all, [&] { return at_server_.heard.size() == before + 2; })) << i;
  }
  const auto lost = [&] {
    return std::ranges::count_if(heard, [](auto& h) { return !h->lost.empty(); });
  };
  EXPECT_TRUE(serve_all(all, [&] { return lost() >= 1; }));
  EXPECT_FALSE(heard.front()->lost.empty()) << "who came first made room";
  EXPECT_TRUE(serve_all(all, [&] { return lost() == kMoreThanFit; })) << lost();
}

/// UCX 1.13 and 1.22 refuse each other with these words and no more.
TEST_F(UcxLinks, NameTheirUcxWhereAnotherOneMayBeTheReasonOfALoss) {
  using ::testing::AllOf;
  using ::testing::HasSubstr;
  using ::testing::Not;
  const std::string here = fmt::format("UCX {} runs here", ucp_get_version_string());
  EXPECT_THAT(ucx::reason_of(UCS_ERR_REJECTED), AllOf(HasSubstr("rejected"), HasSubstr(here)));
  EXPECT_THAT(ucx::reason_of(UCS_ERR_UNREACHABLE), HasSubstr(here));
  EXPECT_THAT(ucx::reason_of(UCS_ERR_CONNECTION_RESET), Not(HasSubstr("UCX")))
      << "a peer that died";
}

TEST_F(UcxLinks, EndWithAPayloadThatNobodyHasLookedAt) {
  const Bytes payload(kMiB, std::byte{7});
  at_server_.act = [&](const std::string&) { throw Error(Code::cancelled, "the engine ends"); };
  client_->send_control(kServer, bytes("first"));
  client_->send_payload(kServer, bytes("header"), payload);
  ASSERT_TRUE(serve_until([&] { return !at_server_.lost.empty(); }));
  server_.reset();
  const auto before = Clock::now();
  client_.reset();
  EXPECT_LT(Clock::now() - before, 5s * test::kPatience);
}

/// What Docker makes on each host has the same address everywhere.
TEST(UcxDevices, AreThoseWhoseAddressesTheOtherHostHasNot) {
  const std::vector<NetInterface> here{{"docker0", {"172.17.0.1"}},
                                       {"eth0", {"10.0.0.1", "fd77::1"}},
                                       {.name = "eth1", .addresses = {"10.9.0.1"}, .is_up = false},
                                       {"ib0", {}},
                                       {"lo", {"127.0.0.1", "::1"}}};
  const std::vector<std::string> rdma{"mlx5_0:1"};
  EXPECT_EQ(ucx::devices_to("10.0.0.2 172.17.0.1", here, rdma), "eth0,lo,mlx5_0:1");
  EXPECT_EQ(ucx::devices_to("10.0.0.2 172.18.0.1", here, rdma), "") << "as UCX chooses";
  EXPECT_EQ(ucx::devices_to("10.0.0.2 10.0.0.1", here, rdma), "")
      << "an address that wanders is not all that eth0 has";
  EXPECT_EQ(ucx::devices_to("10.0.0.1 127.0.0.1 172.17.0.1 ::1 fd77::1", here, rdma), "")
      << "within a host";
  EXPECT_EQ(ucx::devices_to("", here, rdma), "") << "nothing is known";
}

}  // namespace
}  // namespace cardswap
