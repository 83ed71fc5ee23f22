/// Method: a real user names files to CRIU, which opens them as root: files of root's that stand
/// where the user's own were.

#include <gmock/gmock.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>

#include "agent/criu/facts/file_match.h"
#include "agent/criu/host_match.h"
#include "tests/security/users.h"
#include "tests/support/hosts.h"
#include "tests/support/needs.h"

namespace cardswap::test {
namespace {

namespace fs = std::filesystem;
using criu::FileMatch;
using criu::NeededFile;
using ::testing::ElementsAre;

constexpr const char* kContent = "sixteen bytes.\n\n";

class FilesOfAProcess : public ::testing::Test {
 protected:
  void SetUp() override {
    if (const auto missing = LocalUser::missing()) return skip_without("root", *missing);
    ::chmod(dir_.path().c_str(), 0755);
    make(dir_.path() / "roots", 0600);
    make(dir_.path() / "shown", 0644);
    fs::create_directory(dir_.path() / "closed");
    ::chmod((dir_.path() / "closed").c_str(), 0700);
    make(dir_.path() / "closed/file", 0666);
  }
  static void make(const fs::path& path, mode_t mode) {
    std::ofstream(path) << kContent;
    ::chmod(path.c_str(), mode);
  }
  FileMatch found(const LocalUser& user, const std::string& name, NeededFile::Use use) {
    const NeededFile file{(dir_.path() / name).string(), use, 16, {}};
    return static_cast<FileMatch>(user.does([&] { return static_cast<int>(inspect_file(file)); }));
  }
  TempDir dir_;
};

TEST_F(FilesOfAProcess, AreOnlyThoseThatItsUserMayOpenAsItHasThemOpen) {
  using Use = NeededFile::Use;
  const LocalUser user;
  make(dir_.path() / "own", 0600);
  ASSERT_EQ(::chown((dir_.path() / "own").c_str(), user.uid(), user.gid()), 0);
  for (const auto use : {Use::read, Use::written, Use::mapped}) {
    EXPECT_EQ(found(user, "own", use), FileMatch::fits);
    EXPECT_EQ(found(user, "roots", use), FileMatch::closed);
    EXPECT_EQ(found(user, "closed/file", use), FileMatch::closed);
    EXPECT_EQ(found(user, "closed/nothing", use), FileMatch::closed) << "tells what is there";
    EXPECT_EQ(found(user, "nothing", use), FileMatch::missing);
  }
  EXPECT_EQ(found(user, "shown", Use::read), FileMatch::fits);
  EXPECT_EQ(found(user, "shown", Use::written), FileMatch::closed);
  EXPECT_EQ(found(user, "closed", Use::folder), FileMatch::closed);
  EXPECT_EQ(found(user, ".", Use::folder), FileMatch::fits);
}

TEST_F(FilesOfAProcess, AreNoLinks) {
  using Use = NeededFile::Use;
  const LocalUser user;
  fs::create_symlink("roots", dir_.path() / "to-roots");
  fs::create_symlink("shown", dir_.path() / "to-shown");
  fs::create_directory_symlink("closed", dir_.path() / "to-closed");
  EXPECT_EQ(found(user, "to-roots", Use::written), FileMatch::link);
  EXPECT_EQ(found(user, "to-shown", Use::read), FileMatch::link);
  EXPECT_EQ(found(user, "to-closed", Use::folder), FileMatch::link);
  EXPECT_EQ(found(user, "to-closed/file", Use::read), FileMatch::closed);
  EXPECT_EQ(found(user, "to-shown", Use::mapped), FileMatch::fits) << "a library's other name";
  EXPECT_EQ(found(user, "to-roots", Use::mapped), FileMatch::closed);
}

TEST_F(FilesOfAProcess, AreToldOfWithoutTheirSizeAndMode) {
  criu::HostNeeds needs;
  needs.files = {{"/etc/shadow", NeededFile::Use::written, 1, {}},
                 {"/tmp/link", NeededFile::Use::written, 1, {}}};
  EXPECT_THAT(
      what_is_missing(needs, std::vector{FileMatch::closed, FileMatch::link}, "b", "trainer"),
      ElementsAre("on b: /etc/shadow cannot be opened by trainer as the job has it open",
                  "on b: /tmp/link is a link, and no file as the job has it"));
}

}  // namespace
}  // namespace cardswap::test
