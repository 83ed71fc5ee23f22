/// Method: a job whose bytes are known moves over loopback TCP while this test reads every packet
/// there. Sent as it is, its bytes are in them; with --encrypt none are, and it ends bit for bit as
/// it would have without a move.

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <boost/json.hpp>
#include <cstring>
#include <thread>

#include "tests/support/fleet_certificates.h"
#include "tests/support/needs.h"

namespace cardswap::test {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr std::size_t kStateBytes = 16U << 20;
constexpr std::uint64_t kSeed = 1;

/// Reads what passes on loopback and counts the packets that hold a part of plain_memory's state.
class Listener {
 public:
  /// Nothing when this machine does not allow it.
  static std::unique_ptr<Listener> start() {
    const int fd = ::socket(AF_PACKET, SOCK_DGRAM | SOCK_CLOEXEC, htons(ETH_P_IP));
    if (fd < 0) return nullptr;
    sockaddr_ll address{};
    address.sll_family = AF_PACKET;
    address.sll_protocol = htons(ETH_P_IP);
    address.sll_ifindex = static_cast<int>(::if_nametoindex("lo"));
    const int room = 256 << 20;
    (void)::setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof(room));
    if (::bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) {
      ::close(fd);
      return nullptr;
    }
    return std::unique_ptr<Listener>(new Listener(fd));
  }
  ~Listener() {
    thread_.request_stop();
    thread_.join();
    ::close(fd_);
  }
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;

  [[nodiscard]] std::uint64_t bytes() const { return bytes_; }
  [[nodiscard]] std::uint64_t packets_with_state() const { return with_state_; }

 private:
  explicit Listener(int fd) : fd_(fd) {
    thread_ = std::jthread([this](const std::stop_token& stop) { run(stop); });
  }
  void run(const std::stop_token& stop) {
    std::vector<char> packet(1 << 17);
    while (!stop.stop_requested()) {
      pollfd ready{fd_, POLLIN, 0};
      if (::poll(&ready, 1, 50) <= 0) continue;
      const auto got = ::recv(fd_, packet.data(), packet.size(), MSG_DONTWAIT);
      if (got <= 0) continue;
      bytes_ += static_cast<std::uint64_t>(got);
      if (got < 2000) continue;
      const std::string_view text(packet.data(), static_cast<std::size_t>(got));
      if (holds_state(text)) ++with_state_;
    }
  }
  [[nodiscard]] bool holds_state(std::string_view text) const {
    // Any two neighbouring words of the state are that far from each other.
    for (std::size_t at = 0; at + 16 <= text.size(); ++at) {
      std::uint64_t one = 0;
      std::uint64_t two = 0;
      std::memcpy(&one, text.data() + at, sizeof(one));
      std::memcpy(&two, text.data() + at + 8, sizeof(two));
      if (two - one == 0x9e3779b97f4a7c15ULL) return true;
    }
    return false;
  }

  const int fd_;
  std::atomic<std::uint64_t> bytes_{0};
  std::atomic<std::uint64_t> with_state_{0};
  std::jthread thread_;
};

struct Seen {
  std::uint64_t bytes = 0;
  std::uint64_t packets_with_state = 0;
  std::string agent_logs;
};

/// Moves a job whose state stays as it was made between two agents, by stop-copy over TCP.
Seen move(bool encrypt, bool tls) {
  const FleetCertificates fleet;
  const TempDir dir;
  const auto options = [&](const std::string& name) {
    HostOptions result{.name = name, .transports = "tcp"};
    if (tls)
      result.more = FleetCertificates::options(fleet.issue(ApiRole::agent, name, {"127.0.0.1"}));
    return result;
  };
  Host a(dir.path() / "a", options("a"));
  Host b(dir.path() / "b", options("b"));
  const std::vector<std::string> program{trainer("plain_memory"),
                                         "--steps",
                                         "400",
                                         "--step-ms",
                                         "5",
                                         "--bytes",
                                         std::to_string(kStateBytes),
                                         "--seed",
                                         std::to_string(kSeed),
                                         "--dirty-share",
                                         "0"};
  const auto expected = undisturbed(program);
  auto with_log = program;
  with_log.insert(with_log.end(), {"--loss-log", (dir.path() / "losses").string()});
  a.run_job("job", with_log);
  EXPECT_TRUE(within(30s, [&] { return a.step_of("job") >= 3; }));
  Seen seen;
  {
    const auto listener = Listener::start();
    std::vector<std::string> arguments{"migrate",    "job",       "--to",           b.at("cpu:0"),
                                       "--strategy", "stop-copy", "--max-downtime", "none",
                                       "--compress", "off"};
    if (encrypt) arguments.emplace_back("--encrypt");
    const auto moved = a.ask(arguments);
    EXPECT_EQ(text(moved, "state"), "completed");
    EXPECT_EQ(moved.at("encrypt").as_bool(), encrypt);
    if (listener) {
      EXPECT_TRUE(within(5s, [&] { return listener->bytes() > kStateBytes / 2; }));
      seen = {listener->bytes(), listener->packets_with_state(), {}};
    }
  }
  EXPECT_TRUE(b.ended_within("job", 60s)) << b.log();
  EXPECT_EQ(losses(dir.path() / "losses"), expected);
  seen.agent_logs = a.log() + b.log();
  return seen;
}

TEST(Encrypt, HidesTheStateAndTheKeyAndMovesTheSameBits) {
  if (!Listener::start())
    return skip_without("packets", "this machine does not let a test read packets");
  const auto plain = move(false, false);
  EXPECT_GT(plain.packets_with_state, 0U) << "of " << plain.bytes << " bytes";
  const auto sealed = move(true, true);
  EXPECT_EQ(sealed.packets_with_state, 0U);
  EXPECT_GT(sealed.bytes, kStateBytes / 2);
  EXPECT_THAT(sealed.agent_logs, Not(HasSubstr("plain HTTP")));
}

TEST(Encrypt, WarnsWhereTheKeyItselfGoesInTheClear) {
  EXPECT_THAT(move(true, false).agent_logs, HasSubstr("its key goes over plain HTTP"));
}

TEST(Encrypt, IsRefusedWhereTheKeyWouldLeaveTheHostInTheClear) {
  const TempDir dir;
  Host a(dir.path() / "a", {.name = "a"});
  a.run_job("job", {trainer("plain_memory"), "--steps", "100000", "--step-ms", "5"});
  ASSERT_TRUE(within(30s, [&] { return a.step_of("job") >= 3; }));
  const auto outcome = a.command({"migrate", "job", "--to", "192.0.2.1:7070/cpu:0", "--encrypt"});
  EXPECT_EQ(outcome.exit_code, 3);
  EXPECT_THAT(outcome.err, HasSubstr("in the clear"));
  EXPECT_THAT(outcome.err, HasSubstr("--tls-cert"));
}

}  // namespace
}  // namespace cardswap::test
