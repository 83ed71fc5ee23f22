#include "agent/base/replace_file.h"

#include <gmock/gmock.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <fstream>
#include <iterator>

#include "migrator/base/error.h"
#include "tests/support/temp_dir.h"

namespace cardswap {
namespace {

using ::testing::HasSubstr;

/// Files of this process may grow to so many bytes meanwhile, as on a disk with no more room.
class FullDisk {
 public:
  explicit FullDisk(rlim_t bytes_max) : on_excess_(std::signal(SIGXFSZ, SIG_IGN)) {
    EXPECT_EQ(::getrlimit(RLIMIT_FSIZE, &before_), 0);
    const rlimit full{.rlim_cur = bytes_max, .rlim_max = before_.rlim_max};
    EXPECT_EQ(::setrlimit(RLIMIT_FSIZE, &full), 0);
  }
  ~FullDisk() {
    EXPECT_EQ(::setrlimit(RLIMIT_FSIZE, &before_), 0);
    std::signal(SIGXFSZ, on_excess_);
  }
  FullDisk(const FullDisk&) = delete;
  FullDisk& operator=(const FullDisk&) = delete;

 private:
  rlimit before_{};
  void (*on_excess_)(int);
};

/// A folder that its owner may read and nobody may write; this process is its owner meanwhile, and
/// not root, to whom a folder's rights are nothing.
class ReadOnlyFolder {
 public:
  explicit ReadOnlyFolder(const std::filesystem::path& folder) : folder_(folder) {
    constexpr uid_t kNobody = 65534;
    EXPECT_EQ(::chmod(folder.c_str(), 0500), 0);
    if (was_ != 0) return;
    EXPECT_EQ(::chown(folder.c_str(), kNobody, static_cast<gid_t>(-1)), 0);
    EXPECT_EQ(::seteuid(kNobody), 0);
  }
  ~ReadOnlyFolder() {
    EXPECT_EQ(::seteuid(was_), 0);
    EXPECT_EQ(::chmod(folder_.c_str(), 0700), 0);
  }
  ReadOnlyFolder(const ReadOnlyFolder&) = delete;
  ReadOnlyFolder& operator=(const ReadOnlyFolder&) = delete;

 private:
  const std::filesystem::path folder_;
  const uid_t was_ = ::geteuid();
};

class ReplaceFileTest : public ::testing::Test {
 protected:
  [[nodiscard]] std::string text() const {
    std::ifstream in(file_);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  [[nodiscard]] mode_t mode() const {
    struct stat facts {};
    EXPECT_EQ(::stat(file_.c_str(), &facts), 0);
    return facts.st_mode & 0777U;
  }
  [[nodiscard]] auto files() const {
    return std::distance(std::filesystem::directory_iterator(dir_.path()), {});
  }

  test::TempDir dir_;
  const std::filesystem::path file_ = dir_.path() / "file";
  const std::filesystem::path fresh_ = dir_.path() / "file.new";
};

TEST_F(ReplaceFileTest, PutsTheTextInTheOldOnesPlaceAndLeavesNothingBeside) {
  replace_file(file_, "one");
  replace_file(file_, "two");
  EXPECT_EQ(text(), "two");
  EXPECT_EQ(files(), 1);
}

TEST_F(ReplaceFileTest, NarrowsTheModeByTheUmaskUnlessItIsToBeExact) {
  const auto umask = ::umask(077);
  replace_file(file_, "", {.mode = 0644});
  EXPECT_EQ(mode(), 0600U);
  replace_file(file_, "", {.mode = 0644, .exact_mode = true});
  EXPECT_EQ(mode(), 0644U);
  ::umask(umask);
}

TEST_F(ReplaceFileTest, LeavesTheOldFileWholeOnAFullDisk) {
  replace_file(file_, "old");
  const std::string large(1U << 16U, 'x');
  const FullDisk disk(4096);
  EXPECT_EQ(try_replace_file(file_, large), EFBIG);
  EXPECT_EQ(text(), "old");
  EXPECT_EQ(files(), 1) << "half of the new one is gone";
}

TEST_F(ReplaceFileTest, LeavesTheOldFileWholeInAFolderThatMayNotBeWritten) {
  replace_file(file_, "old", {.mode = 0644, .exact_mode = true});
  const ReadOnlyFolder folder(dir_.path());
  EXPECT_EQ(try_replace_file(file_, "new"), EACCES);
  EXPECT_EQ(text(), "old");
  try {
    replace_file(file_, "new");
    FAIL() << "it was written";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Code::io);
    EXPECT_EQ(error.failure(), "write " + file_.string() + ": Permission denied");
    EXPECT_THAT(error.hint(), HasSubstr("rights"));
  }
}

TEST_F(ReplaceFileTest, TakesAwayWhatOneThatWasKilledLeftAndFollowsNoLink) {
  const auto other = dir_.path() / "other";
  std::ofstream(other) << "of somebody else";
  std::filesystem::create_symlink(other, fresh_);
  replace_file(file_, "new");
  EXPECT_EQ(text(), "new");
  EXPECT_FALSE(std::filesystem::is_symlink(file_));
  EXPECT_EQ(std::filesystem::file_size(other), 16U);
}

TEST_F(ReplaceFileTest, LeavesTheOldFileWhereTheNewOneHasNoName) {
  replace_file(file_, "old");
  std::filesystem::create_directory(fresh_);
  EXPECT_NE(try_replace_file(file_, "new"), 0);
  EXPECT_EQ(text(), "old");
  EXPECT_TRUE(std::filesystem::is_directory(fresh_)) << "which is not its to take away";
}

}  // namespace
}  // namespace cardswap
