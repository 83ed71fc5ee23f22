#include "agent/handover/base/data_plane.h"

#include <gmock/gmock.h>

#include "agent/base/address.h"

namespace cardswap {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

TEST(ListenAddress, IsTheConfiguredAddressWhateverWasCalled) {
  EXPECT_EQ(data_address("10.0.0.2", "192.168.1.2", "b").host, "10.0.0.2");
  EXPECT_EQ(data_address("fd00:0:0::2", "fd00::7", "b").host, "fd00::2");
}

TEST(ListenAddress, IsTheAddressThatWasCalledWhereEveryOneIsListenedOn) {
  for (const auto* everywhere : {"0.0.0.0", "::", "::ffff:0.0.0.0"}) {
    EXPECT_EQ(data_address(everywhere, "fd00::7", "b").host, "fd00::7") << everywhere;
    EXPECT_EQ(data_address(everywhere, "", "b").host, "127.0.0.1") << "over the unix socket";
  }
}

TEST(ListenAddress, IsNoLinkLocalAddress) {
  EXPECT_THAT(data_address("fe80::1%1", "", "gpu-b").problem,
              HasSubstr("gpu-b would take the data at fe80::1"));
  EXPECT_THAT(data_address("::", "fe80::1%1", "gpu-b").problem, HasSubstr("--data-host"));
  EXPECT_THAT(data_address("fd00::1", "fe80::1%1", "gpu-b").problem, IsEmpty());
}

TEST(WayBack, IsWhereTheCallCameFromIfWhatWasToldMeansNothingElsewhere) {
  EXPECT_EQ(callback_address("0.0.0.0:7070", "10.0.0.1"), "10.0.0.1:7070");
  EXPECT_EQ(callback_address("[::]:7393", "fd00::1"), "[fd00::1]:7393");
  EXPECT_EQ(callback_address("127.0.0.1:7070", "10.0.0.1"), "10.0.0.1:7070");
  EXPECT_EQ(callback_address("127.0.0.1:7070", "127.0.0.1"), "127.0.0.1:7070");
  EXPECT_EQ(callback_address("10.0.0.9:7070", "10.0.0.1"), "10.0.0.9:7070");
  EXPECT_EQ(callback_address("0.0.0.0:7070", ""), "0.0.0.0:7070");
  EXPECT_EQ(callback_address("no address", "10.0.0.1"), "no address");
}

TEST(DataPeers, AreEveryAddressThatTheOtherHostHasAndTheOneItWasMetAt) {
  const std::vector<std::string> own{"10.0.0.2", "fd00::2"};
  EXPECT_EQ(allowed_addresses({"10.0.0.1", "192.168.7.1"}, "10.0.0.1", own),
            "10.0.0.1 192.168.7.1");
  EXPECT_EQ(allowed_addresses({"192.168.7.1"}, "203.0.113.9", own), "192.168.7.1 203.0.113.9")
      << "behind another address than its own";
  EXPECT_EQ(allowed_addresses({"fd00:0:0::1", "fe80::1%eth0"}, "fd00::1", own), "fd00::1 fe80::1");
}

TEST(DataPeers, AreLoopbackForThisHostOnly) {
  const std::vector<std::string> own{"10.0.0.2"};
  EXPECT_EQ(allowed_addresses({"127.0.0.1", "::1", "10.0.0.1"}, "10.0.0.1", own), "10.0.0.1");
  for (const auto* here : {"", "127.0.0.1", "::1", "10.0.0.2"}) {
    const auto peers = allowed_addresses(own, here, own);
    for (const auto* address : {"127.0.0.1", "::1", "10.0.0.2"}) {
      EXPECT_THAT(peers, HasSubstr(address)) << here;
    }
  }
}

TEST(DataPeers, AreAnybodyWhereNothingIsKnown) {
  EXPECT_EQ(allowed_addresses({}, "10.0.0.1", {"10.0.0.2"}), "");
  EXPECT_EQ(allowed_addresses(std::vector<std::string>(65, "10.0.0.1"), "", {"10.0.0.2"}),
            allowed_addresses({"10.0.0.1"}, "", {"10.0.0.2"}))
      << "too many announced addresses do not open the list";
  EXPECT_EQ(allowed_addresses({"x\n", "10.0.0.1 0.0.0.0"}, "10.0.0.1", {}), "10.0.0.1");
}

TEST(Trial, SaysWhatFailedAfterWhatUcxPrinted) {
  EXPECT_THAT(trial_failure("[1] sock.c UCX ERROR connect\n\ndata ok\n"), IsEmpty());
  EXPECT_EQ(trial_failure("x\n\ndata listen on fd00::9: No such device\n"),
            "listen on fd00::9: No such device");
  EXPECT_THAT(trial_failure(""), IsEmpty()) << "nothing was tried";
}

TEST(Addresses, KnowWhichOnesAreOfNoUseToOthers) {
  for (const auto* here : {"127.0.0.1", "127.1.2.3", "::1", "::ffff:127.0.0.1", "LOCALHOST"}) {
    EXPECT_TRUE(is_loopback(here)) << here;
  }
  for (const auto* there : {"10.0.0.1", "fd00::1", "gpu-b", "::", "localhost.example"}) {
    EXPECT_FALSE(is_loopback(there)) << there;
  }
  EXPECT_TRUE(is_wildcard("::"));
  EXPECT_FALSE(is_wildcard("gpu-b"));
  EXPECT_TRUE(is_link_local("fe80::1%1"));
  EXPECT_FALSE(is_link_local("169.254.1.1"));
  EXPECT_EQ(without_zone("fe80::1%eth0"), "fe80::1");
  EXPECT_EQ(without_zone("gpu-b"), "gpu-b");
}

}  // namespace
}  // namespace cardswap
