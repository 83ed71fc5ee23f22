#include "agent/base/path_trust.h"
#include "tests/support/needs.h"

#include <gmock/gmock.h>
#include <stdlib.h>
#include <unistd.h>

#include <fstream>

namespace cardswap {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

class OwnPath : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = "/tmp/cs-XXXXXX";  // 0700, in a folder that everybody may write
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    dir_ = pattern;
    fs::create_directories(dir_ / "a/b");
    std::ofstream(dir_ / "a/b/file") << "x";
    for (const auto* path : {"a", "a/b", "a/b/file"}) mode(path, 0755);
  }
  void TearDown() override { fs::remove_all(dir_); }
  void mode(const std::string& path, unsigned bits) const {
    fs::permissions(dir_ / path, fs::perms(bits), fs::perm_options::replace);
  }

  fs::path dir_;
};

TEST_F(OwnPath, IsOursBelowAFolderWithTheStickyBit) {
  EXPECT_EQ(untrusted_part_of(dir_ / "a/b/file"), "");
  EXPECT_EQ(untrusted_part_of(dir_ / "a/b/../b/./file"), "");
  EXPECT_EQ(untrusted_part_of("/"), "");
  EXPECT_THAT(untrusted_part_of("/tmp"), HasSubstr("others than its owner may write /tmp"))
      << "as the end of a path it is everybody's";
}

TEST_F(OwnPath, IsNotOursWhereAnyPartMayBeWrittenByOthers) {
  mode("a/b/file", 0757);
  EXPECT_THAT(untrusted_part_of(dir_ / "a/b/file"), HasSubstr("file (mode 0757)"));
  mode("a/b/file", 0775);
  EXPECT_THAT(untrusted_part_of(dir_ / "a/b/file"), HasSubstr("file (mode 0775)"));
  mode("a/b/file", 0755);
  mode("a", 0757);
  EXPECT_THAT(untrusted_part_of(dir_ / "a/b/file"), HasSubstr("a (mode 0757)"));
  mode("a", 01777);
  EXPECT_EQ(untrusted_part_of(dir_ / "a/b/file"), "");
}

TEST_F(OwnPath, FollowsLinksAndLooksAtWhatIsOnTheirWay) {
  fs::create_symlink(dir_ / "a/b", dir_ / "absolute");
  fs::create_symlink("a/b/file", dir_ / "relative");
  EXPECT_EQ(untrusted_part_of(dir_ / "absolute/file"), "");
  EXPECT_EQ(untrusted_part_of(dir_ / "relative"), "");
  mode("a/b", 0757);
  EXPECT_THAT(untrusted_part_of(dir_ / "absolute/file"), HasSubstr("b (mode 0757)"));
  EXPECT_THAT(untrusted_part_of(dir_ / "relative"), HasSubstr("b (mode 0757)"));
  fs::create_symlink("loop", dir_ / "loop");
  EXPECT_THAT(untrusted_part_of(dir_ / "loop"), HasSubstr("too many links"));
  EXPECT_THAT(untrusted_part_of(dir_ / "none/x"), HasSubstr("No such file"));
}

TEST_F(OwnPath, IsNotOursBelowAFolderOfSomebodyElse) {
  if (::geteuid() != 0) return test::skip_without("root", "only root gives files away");
  ASSERT_EQ(::chown((dir_ / "a").c_str(), 65534, 65534), 0);
  EXPECT_THAT(untrusted_part_of(dir_ / "a/b/file"), HasSubstr("a belongs to uid 65534"));
  fs::create_symlink(dir_ / "a", dir_ / "link");
  ASSERT_EQ(::chown((dir_ / "a").c_str(), 0, 0), 0);
  EXPECT_EQ(untrusted_part_of(dir_ / "link/b"), "");
  ASSERT_EQ(::lchown((dir_ / "link").c_str(), 65534, 65534), 0);
  EXPECT_THAT(untrusted_part_of(dir_ / "link/b"), HasSubstr("link belongs to uid 65534"));
}

}  // namespace
}  // namespace cardswap
