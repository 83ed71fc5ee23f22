/// Method: a command against an agent that tells names and numbers no agent has; files that a
/// command of root's is to write, in a folder where another user has put something first; requests
/// that two readers may read differently.

#include <fcntl.h>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <sys/stat.h>
#include <unistd.h>

#include <boost/json.hpp>
#include <fstream>

#include "agent/report/output.h"
#include "migrator/base/error.h"
#include "tests/security/users.h"
#include "tests/support/http.h"
#include "tests/support/needs.h"
#include "tests/support/scripted_peer.h"

namespace cardswap::test {
namespace {

namespace fs = std::filesystem;
namespace json = boost::json;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

ScriptedPeer::Script as_agent(std::string host, std::string jobs) {
  return [host = std::move(host), jobs = std::move(jobs)](const ScriptedPeer::Asked& asked) {
    const auto is = [&](std::string_view call) { return asked.target.starts_with(call); };
    ScriptedPeer::Answer answer;
    answer.body = "{}";
    if (is("/v1/version")) {
      answer.body = fmt::format(R"({{"version":"1","api":1,"host":"{}","pid":1,"data_dir":"/{}",)"
                                R"("uptime_ms":1,"warnings":[]}})",
                                host, host);
    } else if (is("/v1/cordon")) {
      answer.body = R"({"cordons":[]})";
    } else if (is("/v1/devices")) {
      answer.body = R"({"devices":[{"name":"cpu:0","kind":"cpu","total_bytes":1e12,)"
                    R"("free_bytes":1e12,"jobs":[]}]})";
    } else if (is("/v1/jobs")) {
      answer.body = jobs;
    }
    return answer;
  };
}
std::string job_called(const std::string& name, const std::string& more = {}) {
  json::object job{{"name", name},     {"state", "running"},  {"device", "cpu:0"}, {"pid", 7},
                   {"attached", true}, {"state_bytes", 1000}, {"migration", ""}};
  if (!more.empty()) job["device"] = more;
  return json::serialize(json::object{{"jobs", json::array{job}}});
}

TEST(LyingAgent, PutsNoNameOfItsMakingInAHook) {
  const TempDir dir;
  const auto hook = dir.path() / "hook";
  const auto ran = dir.path() / "ran";
  std::ofstream(hook) << "#!/bin/sh\necho \"$@\" >> " << ran.string() << "\nexit 1\n";
  fs::permissions(hook, fs::perms(0755));
  ScriptedPeer liar(as_agent("evil", job_called("gpt")));
  const ScriptedPeer target(as_agent("other", R"({"jobs":[]})"));
  const auto drain = [&] {
    return run(
        {CARDSWAP, "drain", liar.address(), "--to", target.address(), "--hook", hook.string()});
  };
  (void)drain();
  ASSERT_EQ(read_file(ran.string()), "before gpt\n") << "a job's name is given to it";
  fs::remove(ran);
  for (const auto* name : {"../../x", "--version", "$(touch x)", "a b", "a/b", "A"}) {
    liar.follow(as_agent("evil", job_called(name)));
    const auto refused = drain();
    EXPECT_NE(refused.exit_code, 0) << name;
    EXPECT_THAT(refused.err, HasSubstr("which is no name")) << name;
    EXPECT_FALSE(fs::exists(ran)) << name;
  }
  liar.follow(as_agent("evil", job_called("gpt", "$(touch x)")));
  EXPECT_THAT(drain().err, HasSubstr("which is no device"));
  EXPECT_FALSE(fs::exists(ran));
}

TEST(LyingAgent, TellsNumbersThatATableBears) {
  const ScriptedPeer liar([](const ScriptedPeer::Asked&) -> ScriptedPeer::Answer {
    return {R"({"jobs":[{"name":"gpt","state":"running","device":"cpu:0","step":1e308,)"
            R"("state_bytes":1e308,"median_step_ms":-1e308,"started_at_ms":1e308,"pid":1e308}],)"
            R"("devices":[{"name":"cpu:0","kind":"cpu","total_bytes":1e308,"free_bytes":-1e308,)"
            R"("reserved_bytes":1e308,"jobs":[]}],"migrations":[],"host":"evil"})"};
  });
  for (const auto* call : {"jobs", "devices"}) {
    const auto told = run({CARDSWAP, "--agent", liar.address(), call});
    EXPECT_GE(told.exit_code, 0) << call;
    EXPECT_LT(told.out.size() + told.err.size(), 1500U) << call;
  }
}

class ReportFile : public ::testing::Test {
 protected:
  void SetUp() override {
    if (const auto missing = LocalUser::missing()) return skip_without("root", *missing);
    mallory_ = std::make_unique<LocalUser>();
    fs::create_directory(shared_);
    ::chmod(dir_.path().c_str(), 0755);
    ::chmod(shared_.c_str(), 01777);
    std::ofstream(secret_) << "kept\n";
    ::chmod(secret_.c_str(), 0600);
  }
  static std::string failure_of(const fs::path& file) {
    try {
      report::write_output(file.string(), "a page");
    } catch (const Error& error) {
      return error.failure();
    }
    return {};
  }
  static unsigned mode_of(const fs::path& file) {
    struct stat facts {};
    return ::lstat(file.c_str(), &facts) == 0 ? facts.st_mode & 07777U : 0;
  }

  TempDir dir_;
  fs::path shared_ = dir_.path() / "shared";
  fs::path secret_ = dir_.path() / "secret";
  std::unique_ptr<LocalUser> mallory_;
};

TEST_F(ReportFile, OfAnotherUsersLinkIsNotFollowed) {
  const auto link = shared_ / "report.html";
  ASSERT_EQ(mallory_->does([&] { return ::symlink(secret_.c_str(), link.c_str()); }), 0);
  EXPECT_THAT(failure_of(link), AllOf(HasSubstr(link.string() + " is a link of uid")));
  const auto own = dir_.path() / "own";
  fs::create_symlink(link, own);
  EXPECT_THAT(failure_of(own), HasSubstr(link.string() + " is a link of uid")) << "nor behind ours";
  EXPECT_EQ(read_file(secret_.string()), "kept\n");
  EXPECT_EQ(mode_of(secret_), 0600U);
}

TEST_F(ReportFile, ThatIsAPipeKeepsNobodyWaiting) {
  const auto pipe = shared_ / "pipe";
  ASSERT_EQ(mallory_->does([&] { return ::mkfifo(pipe.c_str(), 0666); }), 0);
  EXPECT_THAT(failure_of(pipe), HasSubstr("pipe or a device of uid"));
  const auto own = dir_.path() / "pipe";
  ASSERT_EQ(::mkfifo(own.c_str(), 0600), 0);
  EXPECT_THAT(failure_of(own), HasSubstr("cannot write")) << "nobody reads it";
}

TEST_F(ReportFile, KeepsTheModeThatItHad) {
  EXPECT_EQ(failure_of(secret_), "");
  EXPECT_EQ(read_file(secret_.string()), "a page");
  EXPECT_EQ(mode_of(secret_), 0600U);
  const auto own = dir_.path() / "own";
  fs::create_symlink(secret_, own);
  EXPECT_EQ(failure_of(own), "") << "a link of ours stays one";
  EXPECT_TRUE(fs::is_symlink(own));
  EXPECT_EQ(mode_of(secret_), 0600U);
}

TEST(Requests, WithAKeyTwiceAreRefused) {
  const TempDir dir;
  const Host host(dir.path() / "a", {.name = "a"});
  const auto post = [&](const std::string& body) {
    return ask_over_unix(host, {.method = "POST", .target = "/v1/cordon", .body = body});
  };
  const auto twice = post(R"({"device":"cpu:0","reason":"a","device":null})");
  EXPECT_EQ(twice.status, 400U);
  EXPECT_THAT(twice.content, HasSubstr("a key twice"));
  EXPECT_EQ(post(R"({"device":"cpu:0","reason":"\":\" and {\"device\":1}","by":"me"})").status,
            200U);
}

TEST(AgentFile, IsNobodyElsesToWriteWhateverTheUmaskIs) {
  if (::geteuid() != 0) return skip_without("root", "jobs of root are for an agent of root");
  const TempDir dir;
  const auto data = dir.path() / "d";
  const Child agent({"sh", "-c",
                     fmt::format("umask 0; exec {} --data-dir {} --nvml none --kernel-log none "
                                 "--criu none --job-user root",
                                 CARDSWAPD, data.string())},
                    (dir.path() / "log").string());
  ASSERT_TRUE(within(std::chrono::seconds(20), [&] { return fs::exists(data / "agent.json"); }))
      << read_file((dir.path() / "log").string());
  struct stat facts {};
  ASSERT_EQ(::stat((data / "agent.json").c_str(), &facts), 0);
  EXPECT_EQ(facts.st_mode & 07777U, 0644U);
}

}  // namespace
}  // namespace cardswap::test
