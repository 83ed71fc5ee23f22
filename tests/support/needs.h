#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <stdexcept>
#include <string>
#include <string_view>

namespace cardswap::test {

/// What a test may need and a machine or a build may lack, as CARDSWAP_REQUIRE names it.
inline constexpr std::array<std::string_view, 17> kNeeds{
    "root",   "netns", "criu",    "promtool", "prometheus", "systemd",
    "script", "ipv6",  "packets", "torch",    "gpu",        "unsanitized",
    "kinds",  "clang", "fuse",    "python",   "asserts"};

/// One of kNeeds; another word does not compile.
class Need {
 public:
  // NOLINTNEXTLINE(google-explicit-constructor): a literal is meant
  consteval Need(const char* word) : word_(word) {
    if (std::ranges::find(kNeeds, word_) == kNeeds.end()) throw "no word of kNeeds";
  }
  [[nodiscard]] std::string_view word() const { return word_; }

 private:
  std::string_view word_;
};

/// Whether `list`, words with commas between them, has `need`. Throws std::invalid_argument where
/// it has a word that is none of kNeeds: it would demand nothing.
[[nodiscard]] inline bool is_required(std::string_view list, Need need) {
  bool found = false;
  while (!list.empty()) {
    const auto comma = list.find(',');
    const auto word = list.substr(0, comma);
    list.remove_prefix(comma == std::string_view::npos ? list.size() : comma + 1);
    if (std::ranges::find(kNeeds, word) == kNeeds.end()) {
      throw std::invalid_argument("CARDSWAP_REQUIRE: there is no need '" + std::string(word) + "'");
    }
    found = found || word == need.word();
  }
  return found;
}

/// Skips the running test, whose caller returns: `if (missing) return skip_without("netns", why);`.
/// Where CARDSWAP_REQUIRE names the need, the test fails instead.
inline void skip_without(Need need, const std::string& why) {
  const char* list = std::getenv("CARDSWAP_REQUIRE");
  if (is_required(list == nullptr ? "" : list, need)) {
    FAIL() << "this machine must have '" << need.word() << "': " << why;
  }
  GTEST_SKIP() << "needs " << need.word() << ": " << why;
}

/// What a test needs and does not find, and why not.
struct Lack {
  Need need;
  std::string why;
};
inline void skip_without(const Lack& lack) { skip_without(lack.need, lack.why); }

}  // namespace cardswap::test
