/// Method: the folder in which a job's memory changes hands, made by root for a real user, and what
/// that user and another one can do there.

#include <gmock/gmock.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>

#include "agent/criu/criu_socket_dir.h"
#include "migrator/base/error.h"
#include "tests/security/users.h"
#include "tests/support/hosts.h"
#include "tests/support/needs.h"

namespace cardswap::test {
namespace {

namespace fs = std::filesystem;
using criu::CriuSocketPeer;

class CriuSocketDirs : public ::testing::Test {
 protected:
  void SetUp() override {
    if (const auto missing = LocalUser::missing()) return skip_without("root", *missing);
    ::chmod(dir_.path().c_str(), 0711);
    config_.data_dir = dir_.path();
  }
  static bool makes_a_file(const LocalUser& user, const fs::path& path) {
    return user.does([&] { return std::ofstream(path).is_open() ? 0 : 1; }) == 0;
  }
  TempDir dir_;
  Config config_;
};

TEST_F(CriuSocketDirs, AreTheJobsUsersAloneAndEndWithTheMove) {
  const LocalUser alice;
  const LocalUser mallory;
  criu::prepare_criu_socket_dirs(config_);
  criu::make_criu_socket_dir(config_, "m-1", CriuSocketPeer::custodian, alice.name());
  criu::make_criu_socket_dir(config_, "m-1", CriuSocketPeer::holder, mallory.name());
  const auto hers = criu::criu_socket(config_, "m-1", CriuSocketPeer::custodian);
  EXPECT_FALSE(makes_a_file(mallory, hers));
  EXPECT_FALSE(makes_a_file(alice, criu::criu_socket(config_, "m-1", CriuSocketPeer::holder)));
  EXPECT_TRUE(makes_a_file(alice, hers));
  EXPECT_FALSE(makes_a_file(alice, config_.criu_socket_dir() / "m-2.keeper"));
  criu::remove_criu_socket_dir(config_, "m-1", CriuSocketPeer::custodian);
  EXPECT_FALSE(fs::exists(hers.parent_path()));
}

/// What a former release let everybody make.
TEST_F(CriuSocketDirs, TakeOverNothingThatSomebodyLeftThere) {
  const LocalUser mallory;
  fs::create_directories(config_.criu_socket_dir());
  ::chmod(config_.criu_socket_dir().c_str(), 01733);
  ASSERT_TRUE(makes_a_file(mallory, config_.criu_socket_dir() / "m-1.keeper"));
  ASSERT_EQ(mallory.does([&] {
    const auto folder = config_.criu_socket_dir() / "m-2.keeper";
    fs::create_directory(folder);
    return std::ofstream(folder / "s").is_open() ? 0 : 1;
  }),
            0);
  criu::prepare_criu_socket_dirs(config_);
  for (const auto* id : {"m-1", "m-2"}) {
    criu::make_criu_socket_dir(config_, id, CriuSocketPeer::custodian, "");
    const auto socket = criu::criu_socket(config_, id, CriuSocketPeer::custodian);
    struct stat about {};
    ASSERT_EQ(::stat(socket.parent_path().c_str(), &about), 0);
    EXPECT_EQ(about.st_uid, 0U);
    EXPECT_EQ(about.st_mode & 07777U, 0700U);
    EXPECT_TRUE(fs::is_empty(socket.parent_path()));
  }
}

TEST_F(CriuSocketDirs, AreNotHeldInAFolderOfSomebodyElses) {
  const LocalUser mallory;
  const auto elsewhere = dir_.path() / "elsewhere";
  fs::create_directory(elsewhere);
  ASSERT_EQ(::chown(elsewhere.c_str(), mallory.uid(), mallory.gid()), 0);
  fs::create_symlink(elsewhere, config_.criu_socket_dir());
  EXPECT_THROW(criu::prepare_criu_socket_dirs(config_), Error);
  EXPECT_THROW(criu::make_criu_socket_dir(config_, "m-1", CriuSocketPeer::custodian, ""), Error);
  fs::remove(config_.criu_socket_dir());
  fs::rename(elsewhere, config_.criu_socket_dir());
  EXPECT_THROW(criu::prepare_criu_socket_dirs(config_), Error);
  EXPECT_THROW(criu::make_criu_socket_dir(config_, "m-1", CriuSocketPeer::custodian, ""), Error);
}

}  // namespace
}  // namespace cardswap::test
