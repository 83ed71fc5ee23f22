/// Method: two agents of root, a job that leaves with its process, held where its memory is about
/// to change hands; a local user who tries to stand there first, and a custodian that is killed.

#include <gmock/gmock.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <boost/json.hpp>
#include <cerrno>
#include <cstring>
#include <fstream>

#include "tests/security/users.h"
#include "tests/support/hosts.h"
#include "tests/support/http.h"
#include "tests/support/leftovers.h"
#include "tests/support/needs.h"
#include "tests/support/sanitizer.h"

namespace cardswap::test {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;
namespace fs = std::filesystem;

sockaddr_un address_of(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strncpy(address.sun_path, path.c_str(), sizeof(address.sun_path) - 1);
  return address;
}
/// What a local user may try with a name; 0 where it worked, errno where not.
int binds(const std::string& path) {
  const int fd = ::socket(AF_UNIX, SOCK_SEQPACKET, 0);
  const auto address = address_of(path);
  return ::bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0 ? 0 : errno;
}
int connects(const std::string& path) {
  const int fd = ::socket(AF_UNIX, SOCK_SEQPACKET, 0);
  const auto address = address_of(path);
  return ::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0 ? 0
                                                                                          : errno;
}

class JobMemory : public ::testing::Test {
 protected:
  void SetUp() override {
    if (const auto missing = LocalUser::missing()) return skip_without("root", *missing);
    if (kPatience > 1)
      return skip_without("unsanitized", "a sanitizer's shadow memory is no part of an image");
    const auto why = text(a().ask({"devices"}).at("criu").as_object(), "problem");
    if (!why.empty())
      return skip_without("criu", std::string("CRIU cannot move processes here: ") + why);
    ::chmod(dir_.path().c_str(), 0755);
    auto argv = program_;
    argv.insert(argv.end(), {"--loss-log", log().string()});
    a().run_job("job", argv);
    ASSERT_TRUE(within(20s, [&] { return a().step_of("job") >= 3; })) << a().log();
  }
  Host& a() {
    if (!a_) a_.emplace(dir_.path() / "a", HostOptions{.name = "a"});
    return *a_;
  }
  Host& b() {
    if (!b_) b_.emplace(dir_.path() / "b", HostOptions{.name = "b"});
    return *b_;
  }
  std::string hold_at(const std::string& phase) {
    const auto id = text(a().ask({"migrate", "job", "--to", b().at("cpu:0"), "--arrive", "criu",
                                  "--max-downtime", "none", "--hold-at", phase, "--detach"}),
                         "id");
    EXPECT_TRUE(within(20s, [&] {
      return a().ask({"status", id}).at("held").as_bool();
    })) << a().log();
    return id;
  }
  std::string result_of(const std::string& id) {
    (void)within(40s, [&] { return !text(a().ask({"status", id}), "result").empty(); });
    return text(a().ask({"status", id}), "result");
  }
  /// The custodian's process on `a`; 0: none.
  int custodian() {
    const auto pid = a().job("job").at("pid").to_number<int>();
    const auto wanted = std::string("--trainer") + '\0' + std::to_string(pid) + '\0';
    for (const auto& entry : fs::directory_iterator("/proc")) {
      const auto name = entry.path().filename().string();
      if (name.find_first_not_of("0123456789") != std::string::npos) continue;
      const auto line = read_file(entry.path() / "cmdline");
      if (line.find("--custody") != std::string::npos && line.find(wanted) != std::string::npos) {
        return std::stoi(name);
      }
    }
    return 0;
  }
  [[nodiscard]] fs::path log() const { return dir_.path() / "losses"; }

  const std::vector<std::string> program_{trainer("plain_memory"),
                                          "--arena",
                                          "--steps",
                                          "1200",
                                          "--bytes",
                                          "2000000",
                                          "--step-ms",
                                          "5"};
  TempDir dir_;
  NothingOutlives guard_{dir_.path()};
  std::optional<Host> a_, b_;
};

TEST_F(JobMemory, IsGivenToNobodyWhoStandsWhereItsCustodianWouldBe) {
  const LocalUser mallory;
  const auto id = hold_at("freezing");  // the custodian listens, and has nothing yet
  std::size_t met = 0;
  for (auto* host : {&a(), &b()}) {
    const auto all = host->dir() / "handover";
    struct stat about {};
    ASSERT_EQ(::stat(all.c_str(), &about), 0);
    EXPECT_EQ(about.st_mode & 0777U, 0711U) << all;
    for (const auto& meeting : fs::directory_iterator(all)) {
      ++met;
      ASSERT_EQ(::stat(meeting.path().c_str(), &about), 0);
      EXPECT_EQ(about.st_mode & 0777U, 0700U) << meeting.path();
      const auto socket = (meeting.path() / "s").string();
      EXPECT_TRUE(fs::exists(socket));
      EXPECT_EQ(mallory.does([&] { return connects(socket); }), EACCES) << socket;
      EXPECT_EQ(mallory.does([&] { return binds(socket); }), EACCES) << socket;
      EXPECT_EQ(mallory.does([&] { return ::unlink(socket.c_str()) == 0 ? 0 : errno; }), EACCES);
      const auto away = meeting.path().string() + ".away";
      EXPECT_EQ(mallory.does([&] {
        return ::rename(meeting.path().c_str(), away.c_str()) == 0 ? 0 : errno;
      }),
                EACCES);
    }
    for (const auto& name : {id + ".keeper", id + ".holder", std::string("m-00000000.keeper")}) {
      const auto path = (all / name).string();
      EXPECT_NE(mallory.does([&] { return binds(path); }), 0) << path;
      EXPECT_NE(mallory.does([&] { return ::mkdir(path.c_str(), 0777) == 0 ? 0 : errno; }), 0);
    }
    EXPECT_NE(mallory.does([&] { return ::access(all.c_str(), R_OK) == 0 ? 0 : errno; }), 0)
        << "the names are nobody's business";
  }
  EXPECT_GE(met, 2U) << "the custodian's and the holder's";
  const HttpRequest proceed{.method = "POST", .target = "/v1/migrations/" + id + "/proceed"};
  EXPECT_EQ(ask_over_unix(a(), proceed).status, 200U);
  EXPECT_EQ(result_of(id), "ok") << a().log() << b().log();
  ASSERT_TRUE(b().ended_within("job", 60s));
  EXPECT_EQ(losses(log()), undisturbed(program_));
  for (auto* host : {&a(), &b()}) {
    EXPECT_TRUE(fs::is_empty(host->dir() / "handover")) << host->dir();
  }
}

/// The memory is nowhere any more: the job is over, and whoever asks is told so.
TEST_F(JobMemory, IsToldToBeLostWhenItsCustodianDies) {
  const auto id = hold_at("shipping");
  const auto killed = custodian();
  ASSERT_NE(killed, 0);
  ASSERT_EQ(::kill(killed, SIGKILL), 0);
  const auto pid = a().job("job").at("pid").to_number<int>();
  EXPECT_EQ(a().command({"cancel", id}).exit_code, 0);
  ASSERT_TRUE(a().ended_within("job", 20s)) << a().log();
  const auto job = a().job("job");
  EXPECT_EQ(text(job, "state"), "failed");
  EXPECT_THAT(text(job, "exit_text"), HasSubstr("migration " + id + " was given up"));
  EXPECT_NE(::kill(pid, 0), 0);
  EXPECT_EQ(result_of(id), "cancelled");
  EXPECT_THAT(a().command({"events"}).out, HasSubstr("is lost"));
  EXPECT_EQ(b().leftovers(), "");
}

}  // namespace
}  // namespace cardswap::test
