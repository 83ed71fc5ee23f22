#include "agent/criu/facts/unix_peers.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <array>
#include <utility>
#include <vector>

#include "migrator/base/descriptor.h"

namespace cardswap::criu {
namespace {

std::uint64_t inode_of(const Descriptor& file) {
  struct stat about {};
  EXPECT_EQ(::fstat(file.get(), &about), 0);
  return about.st_ino;
}

/// So many that the kernel's answer comes in several parts.
TEST(UnixPeers, FindsTheOtherEndOfEachOfManySockets) {
  std::vector<std::pair<Descriptor, Descriptor>> pairs;
  for (int i = 0; i < 400; ++i) {
    std::array<int, 2> ends{};
    ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()), 0);
    pairs.emplace_back(Descriptor(ends[0]), Descriptor(ends[1]));
  }
  const auto peers = unix_peers();
  for (const auto& [one, other] : pairs) {
    ASSERT_TRUE(peers.contains(inode_of(one)));
    EXPECT_EQ(peers.at(inode_of(one)), inode_of(other));
    EXPECT_EQ(peers.at(inode_of(other)), inode_of(one));
  }
}

TEST(UnixPeers, HasNoneForASocketThatIsNotConnected) {
  const Descriptor alone(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  EXPECT_FALSE(unix_peers().contains(inode_of(alone)));
}

}  // namespace
}  // namespace cardswap::criu
