#pragma once

#include <string>

namespace cardswap::test {

/// How many times longer than it says a test waits for a condition: what a sanitizer slows down is
/// no failure.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
inline constexpr int kPatience = 4;
#else
inline constexpr int kPatience = 1;
#endif

#if defined(__SANITIZE_THREAD__)
inline constexpr bool kThreadSanitizer = true;
#else
inline constexpr bool kThreadSanitizer = false;
#endif
/// Why tests that reserve addresses for an arena on a card are skipped under ThreadSanitizer.
inline constexpr auto kNoAddresses = "ThreadSanitizer leaves a process few addresses to reserve";

/// Fails the test if `printed`, the output of the process `where`, has a sanitizer's report.
void fail_on_sanitizer_report(const std::string& where, const std::string& printed);

}  // namespace cardswap::test
