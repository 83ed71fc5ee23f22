// A job and what its host is trusted with: the agent's key, its journal, its API.

#include <fcntl.h>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <boost/json.hpp>

#include "tests/security/users.h"
#include "tests/support/fleet_certificates.h"
#include "tests/support/hosts.h"
#include "tests/support/needs.h"

namespace cardswap::test {
namespace {

using ::testing::HasSubstr;
using namespace std::chrono_literals;

Outcome start_with_a_key(std::vector<std::string> more) {
  const TempDir dir;
  more.insert(more.begin(), {CARDSWAPD, "--data-dir", (dir.path() / "a").string(), "--tls-cert",
                             "/nonexistent/tls.crt", "--tls-key", "/nonexistent/tls.key",
                             "--tls-ca", "/nonexistent/ca.crt", "--listen", "127.0.0.1:0"});
  return run(more);
}

TEST(AgentsKey, IsNotBesideJobsOfTheAgentsOwnUserUnlessThatIsSaid) {
  const auto refused = start_with_a_key({});
  EXPECT_EQ(refused.exit_code, 1);
  EXPECT_THAT(refused.err, HasSubstr("jobs run as the agent's own user"));
  EXPECT_THAT(refused.err, HasSubstr("--job-user NAME, or say --jobs-share-my-user"));
  const auto said = start_with_a_key({"--jobs-share-my-user"});
  EXPECT_EQ(said.exit_code, 1);
  EXPECT_THAT(said.err, HasSubstr("/nonexistent/"));
  EXPECT_THAT(said.err, ::testing::Not(HasSubstr("share")));
}

TEST(AgentsKey, IsNotBesideJobsOfRootWhereTheAgentIsRoot) {
  if (::geteuid() != 0) return skip_without("root", "only root has a choice of the jobs' user");
  EXPECT_THAT(start_with_a_key({"--job-user", "root"}).err, HasSubstr("agent's own user"));
  EXPECT_THAT(start_with_a_key({"--job-user", "nobody"}).err, HasSubstr("/nonexistent/"));
}

class JobsApart : public ::testing::Test {
 protected:
  void SetUp() override {
    if (const auto missing = LocalUser::missing()) return skip_without("root", *missing);
    std::filesystem::permissions(dir_.path(), std::filesystem::perms(0711));
  }
  TempDir dir_;
};

/// Which of `paths` a process of `user` can open to read.
std::string opened(const LocalUser& user, const std::vector<std::filesystem::path>& paths) {
  std::string all;
  for (const auto& path : paths) {
    if (user.does([&] { return ::open(path.c_str(), O_RDONLY | O_NONBLOCK) >= 0 ? 1 : 0; }) != 0) {
      all += path.string() + "\n";
    }
  }
  return all;
}

TEST_F(JobsApart, AJobReadsNoKeyNoJournalAndNothingOfTheAgentInProc) {
  const LocalUser trainer;
  const FleetCertificates fleet;
  const auto files = fleet.issue(ApiRole::agent, "a", {"127.0.0.1"});
  auto more = FleetCertificates::options(files);
  more.insert(more.end(), {"--job-user", trainer.name()});
  const Host a(dir_.path() / "a", {.name = "a", .more = more});
  const auto agent = read_file((a.dir() / "agent.json").string());
  const auto pid = boost::json::parse(agent).at("pid").to_number<int>();
  (void)a.ask({"run", "--name", "job", "--cwd", "/", "--", "/bin/sh", "-c",
               fmt::format("id -un; grep -E '^Cap(Inh|Prm|Eff|Amb)' /proc/self/status; "
                           "cat {} {}/journal.db /proc/{}/environ; "
                           "ls {}; "
                           "echo asked everything; sleep 60",
                           files.key.string(), a.dir().string(), a.dir().string(), pid,
                           a.dir().string(), a.dir().string())});
  std::string said;
  ASSERT_TRUE(within(10s, [&] {
    said = a.command({"logs", "job"}).out;
    return said.find("asked everything") != std::string::npos;
  })) << said;
  EXPECT_THAT(said, HasSubstr(trainer.name()));
  for (const auto* set : {"Inh", "Prm", "Eff", "Amb"}) {
    EXPECT_THAT(said, HasSubstr(fmt::format("Cap{}:\t0000000000000000", set)));
  }
  EXPECT_THAT(said, ::testing::Not(HasSubstr("PRIVATE KEY")));
  EXPECT_THAT(said, ::testing::Not(HasSubstr("SQLite format")));
  EXPECT_THAT(said, ::testing::Not(HasSubstr("cardswapd.sock\n"))) << "it lists the data folder";

  // The same again by somebody of that user who need not hurry.
  const auto proc = std::filesystem::path("/proc") / std::to_string(pid);
  std::vector<std::filesystem::path> secrets{files.key,        a.dir(),      a.dir() / "lock",
                                             proc / "environ", proc / "mem", proc / "maps"};
  for (const auto& entry : std::filesystem::directory_iterator(a.dir())) {
    // agent.json says where the agent listens, for whoever may ask it.
    if (entry.is_regular_file() && entry.path().filename() != "agent.json")
      secrets.push_back(entry.path());
  }
  EXPECT_EQ(opened(trainer, secrets), "");
  const auto socket = (a.dir() / "cardswapd.sock").string();
  EXPECT_EQ(trainer.does([&] {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    socket.copy(static_cast<char*>(address.sun_path), sizeof(address.sun_path) - 1);
    const int fd = ::socket(AF_UNIX, SOCK_STREAM, 0);
    return ::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0 ? 1 : 0;
  }),
            0);
}

}  // namespace
}  // namespace cardswap::test
