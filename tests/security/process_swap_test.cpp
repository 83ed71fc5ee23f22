/// Method: two agents of root and a job of a real user whose child waits for CRIU to open another
/// file than the job had. Between the dump and the restore, somebody puts a link to root's there.

#include <gmock/gmock.h>
#include <sys/stat.h>
#include <unistd.h>

#include <boost/json.hpp>
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
using ::testing::Not;
namespace fs = std::filesystem;

constexpr const char* kRoots = "it is root's business\n";

class FilesOfAMovedProcess : public ::testing::Test {
 protected:
  void SetUp() override {
    if (const auto missing = LocalUser::missing()) return skip_without("root", *missing);
    if (kPatience > 1) {
      return skip_without("unsanitized", "a sanitizer's shadow memory is no part of an image");
    }
    ::chmod(dir_.path().c_str(), 0755);
    criu_ = criu_here();
    if (criu_.empty()) return skip_without("criu", "CRIU cannot move processes here");
    user_.emplace();
    copy(trainer("plain_memory"));
    copy(HOLDS_FILE);
    fs::create_directory(mine());
    fs::create_directory(mine() / "folder");
    std::ofstream(mine() / "file") << std::string(std::string(kRoots).size(), 'x');
    std::ofstream(mine() / "found") << "";
    for (const auto* name : {"", "folder", "file", "found"}) {
      ASSERT_EQ(::chown((mine() / name).c_str(), user_->uid(), user_->gid()), 0);
    }
    ::chmod((mine() / "file").c_str(), 0600);
    std::ofstream(dir_.path() / "roots") << kRoots;
    ::chmod((dir_.path() / "roots").c_str(), 0600);
    fs::create_directory(dir_.path() / "closed");
    std::ofstream(dir_.path() / "closed/secret") << kRoots;
    ::chmod((dir_.path() / "closed").c_str(), 0700);
    // A folder's mode is compared by CRIU, too.
    ::chmod((mine() / "folder").c_str(), 0700);
    a_.emplace(dir_.path() / "a", HostOptions{.name = "a", .more = {"--criu", script("a", "")}});
  }
  std::string criu_here() {
    const Host probe(dir_.path() / "p", HostOptions{.name = "p"});
    const auto tool = probe.ask({"devices"}).at("criu").as_object();
    return text(tool, "problem").empty() ? text(tool, "path") : "";
  }
  void copy(const fs::path& program) {
    const auto to = dir_.path() / program.filename();
    fs::copy_file(program, to);
    ::chmod(to.c_str(), 0755);
  }
  /// CRIU, before which `first` is run.
  std::string script(const std::string& name, const std::string& first) {
    const auto path = dir_.path() / ("criu-" + name);
    std::ofstream(path) << "#!/bin/sh\n[ \"$1\" = swrk ] && { " << (first.empty() ? ":" : first)
                        << "; }\nexec env LD_PRELOAD=" << LIMITS << " " << criu_ << " \"$@\"\n";
    ::chmod(path.c_str(), 0700);
    return path.string();
  }
  void start_target(const std::string& first) {
    b_.emplace(dir_.path() / "b", HostOptions{.name = "b", .more = {"--criu", script("b", first)}});
  }
  void start_job(const std::string& kind, const std::string& then) {
    (void)a_->ask({"run",
                   "--name",
                   "job",
                   "--user",
                   user_->name(),
                   "--cwd",
                   "/",
                   "--",
                   (dir_.path() / "holds_file").string(),
                   kind,
                   (mine() / kind).string(),
                   (mine() / "found").string(),
                   then,
                   (dir_.path() / "plain_memory").string(),
                   "--arena",
                   "--steps",
                   "4000",
                   "--bytes",
                   "2000000",
                   "--step-ms",
                   "5"});
    ASSERT_TRUE(within(30s, [&] { return a_->step_of("job") >= 3; })) << a_->log();
  }
  [[nodiscard]] std::vector<std::string> move(std::vector<std::string> more = {}) const {
    std::vector<std::string> words{"migrate",  "job",  "--to",           b_->at("cpu:0"),
                                   "--arrive", "criu", "--max-downtime", "none"};
    words.insert(words.end(), more.begin(), more.end());
    return words;
  }
  void is_refused_and_nothing_is_taken(const std::string& kind) {
    const auto outcome = a_->command(move());
    EXPECT_NE(outcome.exit_code, 0);
    EXPECT_THAT(outcome.err, HasSubstr("may not open so here"));
    EXPECT_THAT(outcome.err, HasSubstr("uid " + std::to_string(user_->uid()))) << kind;
    EXPECT_EQ(read_file(dir_.path() / "roots"), kRoots);
    EXPECT_EQ(read_file(mine() / "found"), "");
    EXPECT_TRUE(a_->steps_again_within("job", 10s)) << a_->log();
    EXPECT_EQ(b_->leftovers(), "");
  }
  /// States of the job's children, on both hosts.
  static std::string states() {
    std::string found;
    for (const auto& entry : fs::directory_iterator("/proc")) {
      const auto stat = read_file(entry.path() / "stat");
      const auto name = stat.find(" (holds_file) ");
      if (name != std::string::npos) found += stat[name + 14];
    }
    return found;
  }
  [[nodiscard]] fs::path mine() const { return dir_.path() / "mine"; }
  [[nodiscard]] std::string put_link(const std::string& to, const std::string& at) const {
    const auto there = (mine() / at).string();
    return "mv " + there + " " + there + ".away; ln -s " + (dir_.path() / to).string() + " " +
           there;
  }

  TempDir dir_;
  NothingOutlives guard_{dir_.path()};
  std::string criu_;
  std::optional<LocalUser> user_;
  std::optional<Host> a_, b_;
};

TEST_F(FilesOfAMovedProcess, AreNoneThatItsUserMayNotOpen) {
  start_target(put_link("roots", "file"));
  start_job("file", "go-on");
  is_refused_and_nothing_is_taken("file");
}

/// Whether the job is granted or not: nothing of it has run.
TEST_F(FilesOfAMovedProcess, AreNoneThatItsUserMayNotOpenThoughItIsNeverGranted) {
  start_target(put_link("roots", "file"));
  start_job("file", "stop");
  is_refused_and_nothing_is_taken("file");
}

TEST_F(FilesOfAMovedProcess, AreInNoFolderThatItsUserMayNotList) {
  start_target(put_link("closed", "folder"));
  start_job("folder", "go-on");
  is_refused_and_nothing_is_taken("folder");
}

/// On the target from the start on: the dry run says so, and no size and no mode.
TEST_F(FilesOfAMovedProcess, AreLookedForAsItsUserInADryRun) {
  start_target("");
  start_job("file", "go-on");
  ASSERT_EQ(::chown((mine() / "file").c_str(), 0, 0), 0);  // what the job has open is root's now
  const auto outcome = a_->command(move({"--dry-run"}));
  EXPECT_THAT(outcome.out + outcome.err, HasSubstr("cannot be opened by " + user_->name()));
}

TEST_F(FilesOfAMovedProcess, AreItsOwnElsewhereAndItsChildrenWaitForTheGrant) {
  start_target("");
  start_job("file", "go-on");
  const auto id = text(a_->ask(move({"--hold-at", "restoring", "--detach"})), "id");
  EXPECT_TRUE(within(20s, [] { return states() == "TT"; })) << states() << a_->log() << b_->log();
  const HttpRequest proceed{.method = "POST", .target = "/v1/migrations/" + id + "/proceed"};
  EXPECT_EQ(ask_over_unix(*a_, proceed).status, 200U);
  EXPECT_TRUE(within(20s,
                     [&] {
                       return text(a_->ask({"status", id}), "result") == "ok";
                     }))
      << a_->log() << b_->log();
  EXPECT_TRUE(within(10s, [] { return states() == "S"; })) << states();
  EXPECT_TRUE(b_->steps_again_within("job", 5s)) << b_->log();
  EXPECT_EQ(read_file(mine() / "found"), "");
}

}  // namespace
}  // namespace cardswap::test
