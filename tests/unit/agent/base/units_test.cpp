#include "agent/base/units.h"

#include <gmock/gmock.h>

#include "migrator/base/error.h"

namespace cardswap {
namespace {

using ::testing::HasSubstr;

TEST(Units, AreCountedAsPeopleCountThem) {
  EXPECT_EQ(counted(0, "step"), "0 steps");
  EXPECT_EQ(counted(1, "step"), "1 step");
  EXPECT_EQ(counted(2, "ordinary step"), "2 ordinary steps");
}

TEST(Units, AreReadAsPeopleWriteThem) {
  EXPECT_EQ(parse_size("size", "64MiB"), 64U << 20);
  EXPECT_EQ(parse_size("size", "1.5KiB"), 1536U);
  EXPECT_EQ(parse_size("size", "2GB"), 2'000'000'000U);
  EXPECT_EQ(parse_rate("rate", "200MiB/s"), 200U << 20);
  EXPECT_EQ(parse_rate("rate", "none"), 0U);
  EXPECT_EQ(parse_duration("time", "300ms").count(), 300);
  EXPECT_EQ(parse_duration("time", "10m").count(), 600'000);
}

TEST(Units, OfRatesAreBytesAndBitsAsLinksAreNamed) {
  EXPECT_EQ(parse_rate("rate", "10Gbit/s"), 1'250'000'000U);
  EXPECT_EQ(parse_rate("rate", "10Gbps"), 1'250'000'000U);
  EXPECT_EQ(parse_rate("rate", "2.5Gbit/s"), 312'500'000U);
  EXPECT_EQ(parse_rate("rate", "100Mbit/s"), 12'500'000U);
  EXPECT_EQ(parse_rate("rate", "1.25GB/s"), 1'250'000'000U);
  // A small letter at the end could be either.
  EXPECT_THROW((void)parse_rate("rate", "10Gb/s"), Error);
  EXPECT_THROW((void)parse_rate("rate", "10Gbit"), Error);
}

TEST(Units, RefuseALimitOfNothingWithWhatLiftsIt) {
  for (const auto* text : {"0", "0MiB/s", "0.0Gbit/s", "1bit/s"}) {
    try {
      (void)parse_rate("--bandwidth", text);
      ADD_FAILURE() << text;
    } catch (const Error& error) {
      EXPECT_THAT(error.hint(), HasSubstr("none")) << text;
    }
  }
  for (const auto* text : {"0ms", "0s", "0.1ms"}) {
    EXPECT_THROW((void)parse_limit("--max-downtime", text), Error) << text;
  }
  EXPECT_EQ(parse_limit("--max-downtime", "none").count(), 0);
  EXPECT_EQ(parse_limit("--max-downtime", "1ms").count(), 1);
}

TEST(Units, RefuseWhatIsNoNumberWithTheNameAndAnExample) {
  for (const auto* text : {"", "fast", "-1MiB", "1e99GiB", "nan", "inf", "5 MiB", "5MiBs"}) {
    EXPECT_THROW((void)parse_size("--chunk", text), Error) << text;
    EXPECT_THROW((void)parse_duration("--timeout", text), Error) << text;
  }
  EXPECT_THROW((void)parse_rate("--bandwidth", "200MiB"), Error);
  try {
    (void)parse_duration("--timeout", "soon");
    FAIL();
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("--timeout"));
    EXPECT_THAT(error.hint(), HasSubstr("300ms"));
  }
}

}  // namespace
}  // namespace cardswap
