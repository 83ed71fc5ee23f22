#include "agent/base/exposition.h"

#include <gtest/gtest.h>

#include <cmath>

namespace cardswap {
namespace {

using Type = Exposition::Type;

TEST(Exposition, WritesHelpAndTypeBeforeTheSamples) {
  Exposition out;
  out.family("cardswap_jobs", Type::gauge, "Jobs by state.");
  out.sample(2, {{"state", "running"}});
  out.sample(0, {{"state", "lost"}});
  EXPECT_EQ(out.text(),
            "# HELP cardswap_jobs Jobs by state.\n"
            "# TYPE cardswap_jobs gauge\n"
            "cardswap_jobs{state=\"running\"} 2\n"
            "cardswap_jobs{state=\"lost\"} 0\n");
}

TEST(Exposition, EscapesWhatALabelMayHold) {
  Exposition out;
  out.one("a", Type::gauge, "one\\two\nthree \"four\"", 1,
          {{"job", "\"x\"\\\n\xff"}, {"none", ""}});
  EXPECT_EQ(out.text(),
            "# HELP a one\\\\two\\nthree \"four\"\n"
            "# TYPE a gauge\n"
            "a{job=\"\\\"x\\\"\\\\\\n?\"} 1\n");
}

TEST(Exposition, LosesNothingOfANumber) {
  Exposition out;
  out.family("a", Type::gauge, "A.");
  for (const double value : {9007199254740991.0, 1e300, 0.1, -3.0, std::nan(""), HUGE_VAL}) {
    out.sample(value);
  }
  EXPECT_EQ(out.text().substr(out.text().find("gauge\n") + 6),
            "a 9007199254740991\na 1e+300\na 0.1\na -3\na NaN\na +Inf\n");
}

TEST(Exposition, CountsAHistogramUpToEachBound) {
  static constexpr double kBounds[] = {0.1, 1};
  Histogram histogram(kBounds);
  for (const double value : {0.05, 0.1, 0.5, 7.0}) histogram.observe(value);
  Exposition out;
  out.family("t_seconds", Type::histogram, "T.");
  out.sample(histogram, {{"strategy", "rounds"}});
  EXPECT_EQ(out.text(),
            "# HELP t_seconds T.\n"
            "# TYPE t_seconds histogram\n"
            "t_seconds_bucket{strategy=\"rounds\",le=\"0.1\"} 2\n"
            "t_seconds_bucket{strategy=\"rounds\",le=\"1\"} 3\n"
            "t_seconds_bucket{strategy=\"rounds\",le=\"+Inf\"} 4\n"
            "t_seconds_sum{strategy=\"rounds\"} 7.65\n"
            "t_seconds_count{strategy=\"rounds\"} 4\n");
}

}  // namespace
}  // namespace cardswap
