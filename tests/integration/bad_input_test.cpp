/// Method: the real command and real sockets, given what they should not be given. Each gets a
/// clear answer, and afterwards the agent still answers and its job still trains.

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <boost/json.hpp>
#include <fstream>

#include "migrator/wire/runtime_messages.h"
#include "tests/support/hosts.h"

namespace cardswap::test {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;

class BadInput : public ::testing::Test {
 protected:
  void SetUp() override {
    a_.run_job("job", {trainer("plain_memory"), "--steps", "100000", "--step-ms", "5"});
    ASSERT_TRUE(within(10s, [&] { return a_.step_of("job") >= 3; }));
  }
  void TearDown() override { EXPECT_TRUE(a_.steps_again_within("job", 5s)) << a_.log(); }

  void expect(const std::vector<std::string>& arguments, int exit_code, const std::string& text) {
    const auto outcome = a_.command(arguments);
    EXPECT_EQ(outcome.exit_code, exit_code) << outcome.out << outcome.err;
    EXPECT_THAT(outcome.err, HasSubstr(text));
  }

  TempDir dir_;
  Host a_{dir_.path() / "a", {.name = "a", .devices = {"cpu:0", "cpu:1,memory=1MiB"}}};
};

TEST_F(BadInput, OfTheCommandIsToldWithTheFlagAndAnExample) {
  expect({"migrate", "job", "--to", a_.at("cpu:1"), "--bandwidth", "fast"}, 2, "200MiB/s");
  expect({"migrate", "job", "--to", a_.at("cpu:1"), "--max-downtime", "3 parsecs"}, 2, "300ms");
  expect({"migrate", "job", "--to", "nowhere"}, 2, "gpu-b:7070/cpu:0");
  expect({"migrate", "job", "--to", a_.at("cpu:1"), "--strategy", "teleport"}, 2, "stop-copy");
  expect({"migrate"}, 2, "");
}

TEST_F(BadInput, IsRefusedBeforeAnythingIsTouched) {
  expect({"migrate", "ghost", "--to", a_.at("cpu:1")}, 3, "no job 'ghost'");
  expect({"migrate", "job", "--to", "127.0.0.1:1/cpu:0"}, 3, "connect");
  expect({"migrate", "job", "--to", a_.at("cpu:1")}, 3, "1.0 MiB free on cpu:1");
  expect({"migrate", "job", "--to", a_.at("cpu:7")}, 3, "no device cpu:7");
  expect({"run", "--name", "job", "--", "true"}, 3, "runs already");
  expect({"run", "--name", "other", "--", "/no/such/program"}, 3, "No such file");
  expect({"run", "--name", "Not A Name", "--", "true"}, 2, "job name");
  const auto away = run({CARDSWAP, "--agent", (dir_.path() / "none.sock").string(), "jobs"});
  EXPECT_EQ(away.exit_code, 3);
  EXPECT_THAT(away.err, HasSubstr("cardswapd"));
  EXPECT_EQ(a_.leftovers(), "");
}

TEST_F(BadInput, ThatDoesNotConvergeIsGivenUpAtItsTimeout) {
  Host b(dir_.path() / "b", {.name = "b"});
  expect({"migrate", "job", "--to", b.at("cpu:0"), "--strategy", "rounds", "--bandwidth", "8MiB/s",
          "--max-downtime", "50ms", "--timeout", "3s"},
         4, "did not converge");
  EXPECT_TRUE(within(10s, [&] { return b.leftovers().empty(); }));
}

TEST_F(BadInput, ThatDoesNotConvergeIsGivenUpAfterItsLastRound) {
  Host b(dir_.path() / "b", {.name = "b"});
  expect({"migrate", "job", "--to", b.at("cpu:0"), "--strategy", "rounds", "--bandwidth", "8MiB/s",
          "--max-downtime", "50ms", "--max-rounds", "2"},
         4, "after 2 a freeze would take");
  EXPECT_TRUE(within(10s, [&] { return b.leftovers().empty(); }));
}

TEST_F(BadInput, OnEverySocketClosesThatConnectionOnly) {
  std::string garbage(5000, '\xff');
  for (std::size_t i = 0; i < garbage.size(); i += 3) garbage[i] = static_cast<char>(i);
  for (const auto* name : {"cardswapd.sock", "runtime.sock"}) {
    const int fd = ::socket(AF_UNIX, SOCK_STREAM, 0);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    const auto path = (a_.dir() / name).string();
    path.copy(address.sun_path, path.size());
    ASSERT_EQ(::connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
    (void)::send(fd, garbage.data(), garbage.size(), MSG_NOSIGNAL);
    char byte = 0;
    while (::recv(fd, &byte, 1, 0) > 0) {
    }
    ::close(fd);
  }
  const int fd = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(a_.port()));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  ASSERT_EQ(::connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
  (void)::send(fd, garbage.data(), garbage.size(), MSG_NOSIGNAL);
  ::close(fd);
  EXPECT_EQ(text(a_.job("job"), "state"), "running");
}

TEST_F(BadInput, ARuntimeOfAnotherProtocolIsRefusedWithBothVersions) {
  const int fd = ::socket(AF_UNIX, SOCK_STREAM, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const auto path = (a_.dir() / "runtime.sock").string();
  path.copy(address.sun_path, path.size());
  ASSERT_EQ(::connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
  channel::Hello hello;
  hello.protocol_version = 999;
  hello.job = "job";
  const auto frame = channel::encode(hello);
  ASSERT_GT(::send(fd, frame.data(), frame.size(), 0), 0);
  std::vector<std::byte> answer(4096);
  const auto got = ::recv(fd, answer.data(), answer.size(), 0);
  ASSERT_GT(got, 4);
  const auto message =
      channel::decode(std::span(answer).subspan(4, static_cast<std::size_t>(got) - 4));
  ASSERT_TRUE(std::holds_alternative<channel::Refused>(message));
  EXPECT_EQ(std::get<channel::Refused>(message).code, Code::protocol_mismatch);
  EXPECT_THAT(std::get<channel::Refused>(message).failure, HasSubstr("999"));
  ::close(fd);
}

TEST_F(BadInput, AJournalThatIsDamagedIsKeptAsideAndReported) {
  Host b(dir_.path() / "b", {.name = "b"});
  b.kill_agent(SIGKILL);
  std::filesystem::remove(b.dir() / "journal.db-wal");
  std::ofstream(b.dir() / "journal.db", std::ios::trunc) << std::string(8192, 'x');
  b.start_agent();
  const auto version = b.ask({"version"});
  ASSERT_EQ(version.at("warnings").as_array().size(), 1U);
  bool kept = false;
  for (const auto& entry : std::filesystem::directory_iterator(b.dir())) {
    kept = kept || entry.path().filename().string().starts_with("journal.db.corrupt-");
  }
  EXPECT_TRUE(kept);
}

TEST_F(BadInput, APortInUseEndsTheSecondAgentWithAHint) {
  const auto outcome = run({CARDSWAPD, "--data-dir", (dir_.path() / "c").string(), "--listen",
                            "127.0.0.1:" + std::to_string(a_.port())});
  EXPECT_EQ(outcome.exit_code, 1);
  EXPECT_THAT(outcome.err, HasSubstr("--listen"));
  const auto second = run({CARDSWAPD, "--data-dir", a_.dir().string(), "--listen", "127.0.0.1:0"});
  EXPECT_EQ(second.exit_code, 1);
  EXPECT_THAT(second.err, HasSubstr("another cardswapd"));
  const auto open =
      run({CARDSWAPD, "--data-dir", (dir_.path() / "d").string(), "--listen", "0.0.0.0:0"});
  EXPECT_EQ(open.exit_code, 1);
  EXPECT_THAT(open.err, HasSubstr("--insecure-listen"));
}

TEST(Layout, ThatDiffersIsRefusedWithTheNamesAndTheSourceGoesOn) {
  const TempDir dir;
  Host a(dir.path() / "a", {.name = "a"});
  Host b(dir.path() / "b", {.name = "b"});
  // The standby's program sees another size: what a wrong file or variable on the other host does.
  a.run_job("job",
            {"sh", "-c",
             "if [ \"$CARDSWAP_ROLE\" = standby ]; then n=2097152; else n=1048576; fi; exec " +
                 trainer("plain_memory") + " --steps 100000 --step-ms 5 --bytes $n"});
  ASSERT_TRUE(within(10s, [&] { return a.step_of("job") >= 3; }));
  const auto outcome = a.command({"migrate", "job", "--to", b.at("cpu:0")});
  EXPECT_EQ(outcome.exit_code, 3) << outcome.err;
  EXPECT_THAT(outcome.err, HasSubstr("words: bytes"));
  EXPECT_TRUE(a.steps_again_within("job", 5s));
  EXPECT_TRUE(within(10s, [&] { return b.leftovers().empty(); }));
}

}  // namespace
}  // namespace cardswap::test
