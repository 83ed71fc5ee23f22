#include "tests/support/sanitizer.h"

#include <gtest/gtest.h>

namespace cardswap::test {

void fail_on_sanitizer_report(const std::string& where, const std::string& printed) {
  for (const auto* report : {"Sanitizer: ", ": runtime error: "}) {
    const auto at = printed.find(report);
    if (at == std::string::npos) continue;
    const auto start = at < 100 ? 0 : at - 100;
    ADD_FAILURE() << where << ": " << printed.substr(start, 6000);
  }
}

}  // namespace cardswap::test
