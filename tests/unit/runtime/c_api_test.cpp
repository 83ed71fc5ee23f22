#include <cardswap/c.h>
#include <gmock/gmock.h>

namespace {

using testing::HasSubstr;

TEST(CApi, CallsOfASessionThatWasClosedFailAndSaySo) {
  char digest[33] = {};
  EXPECT_EQ(cardswap_boundary(nullptr), -1);
  EXPECT_THAT(cardswap_error(), HasSubstr("the session was closed"));
  EXPECT_STREQ(cardswap_error_code(), "conflict");
  EXPECT_EQ(cardswap_before_step(nullptr, nullptr), -1);
  EXPECT_EQ(cardswap_digest(nullptr, digest), -1);
  EXPECT_EQ(cardswap_do_not_rehearse(nullptr, "why"), -1);
  EXPECT_EQ(cardswap_track(nullptr, "name", "kind", "type", nullptr, nullptr, nullptr), -1);
  cardswap_close(nullptr);
}

TEST(CApi, WhatCannotFailIsNothingOfASessionThatWasClosed) {
  EXPECT_EQ(cardswap_steps(nullptr), 0U);
  EXPECT_EQ(cardswap_is_standby(nullptr), 0);
  EXPECT_EQ(cardswap_has_attention(nullptr), 0);
}

}  // namespace
