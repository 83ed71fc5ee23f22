#include "agent/base/address.h"

#include <gtest/gtest.h>

#include "migrator/base/error.h"

namespace cardswap {
namespace {

TEST(Addresses, AreReadInEveryFormThatPeopleWrite) {
  const auto text = [](const char* from) {
    const auto read = address_from(from);
    return read ? read->text() : std::string("none");
  };
  EXPECT_EQ(text("gpu-b"), "gpu-b:7070");
  EXPECT_EQ(text("gpu-b.example.org:7393"), "gpu-b.example.org:7393");
  EXPECT_EQ(text("10.0.0.2"), "10.0.0.2:7070");
  EXPECT_EQ(text("[::1]:7393"), "[::1]:7393");
  EXPECT_EQ(text("[fd00::2]"), "[fd00::2]:7070");
  EXPECT_EQ(text("fd00::2"), "[fd00::2]:7070");
  EXPECT_EQ(text("[fe80::2%lo]:7070"), "[fe80::2%lo]:7070");
}

TEST(Addresses, AreRefusedWhereTheyAreNone) {
  for (const char* wrong : {"", ":", ":7070", "gpu-b:", "gpu-b:0", "gpu-b:65536", "gpu-b:70 70",
                            "gpu-b:+7", "[::1", "::1]", "[::1]7070", "[[::1]]", "[gpu-b]:7070",
                            "gpu b", "-b", "a\r\nHost: b", "b/cpu:0", "::1:99999999", "fd00::zz"}) {
    EXPECT_FALSE(address_from(wrong)) << wrong;
  }
  EXPECT_FALSE(address_from(std::string(300, 'a')));
  EXPECT_FALSE(address_from(std::string_view("a\0b", 3)));
  try {
    (void)parse_address("--agent", "[[::1]]");
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Code::bad_request);
    EXPECT_NE(error.failure().find("--agent"), std::string::npos);
  }
}

TEST(Addresses, AListenerMayLeaveThePortToTheKernel) {
  EXPECT_EQ(parse_address("--listen", "[::]:0", kAgentPort, true).port, 0);
  EXPECT_THROW((void)parse_address("--agent", "[::]:0"), Error);
}

TEST(Addresses, OfDevicesHaveAHostAndADevice) {
  const auto to = parse_destination("[::1]:7393/cpu:0");
  EXPECT_EQ(to.agent(), (Address{"::1", 7393}));
  EXPECT_EQ(to.device, "cpu:0");
  EXPECT_EQ(parse_destination("fd00::2/cuda:3").host, "fd00::2");
  for (const char* wrong : {"gpu-b", "gpu-b/", "/cpu:0", "", "gpu-b:x/cpu:0"}) {
    EXPECT_THROW((void)parse_destination(wrong), Error) << wrong;
  }
}

TEST(Addresses, AreTheSameHowEverTheyAreWritten) {
  EXPECT_TRUE(is_same_host("::1", "0:0:0:0:0:0:0:1"));
  EXPECT_TRUE(is_same_host("::ffff:10.0.0.1", "10.0.0.1"));
  EXPECT_TRUE(is_same_host("GPU-B", "gpu-b."));
  EXPECT_FALSE(is_same_host("gpu-b", "gpu-b1"));
  EXPECT_FALSE(is_same_host("10.0.0.1", "10.0.0.10"));
}

TEST(Destination, IsHostPortAndDevice) {
  const auto plain = parse_destination("gpu-b/cpu:0");
  EXPECT_EQ(plain.host, "gpu-b");
  EXPECT_EQ(plain.port, 7070);
  EXPECT_EQ(plain.device, "cpu:0");
  EXPECT_EQ(parse_destination("10.0.0.2:71/cpu:1").port, 71);
  EXPECT_EQ(parse_destination("[::1]:71/cpu:1").host, "::1");
  for (const auto* text : {"", "gpu-b", "/cpu:0", "gpu-b/", "gpu-b:x/cpu:0", "gpu-b:0/cpu:0",
                           "gpu-b:99999/cpu:0", "[::1/cpu:0", ":7070/cpu:0"}) {
    EXPECT_THROW((void)parse_destination(text), Error) << text;
  }
}

}  // namespace
}  // namespace cardswap
