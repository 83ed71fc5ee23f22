#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <stdexcept>
#include <string>
#include <string_view>

namespace cardswap::test {

/// What a test may need and a machine or a build may lack, under the names that CARDSWAP_REQUIRE
/// uses.
inline constexpr std::array<std::string_view, 18> kNeeds{
    "root",   "netns", "criu",    "promtool", "prometheus", "systemd",
    "script", "ipv6",  "packets", "torch",    "gpu",        "unsanitized",
    "kinds",  "clang", "fuse",    "python",   "asserts",    "slurm"};

/// One of kNeeds; another name does not compile.
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

/// Whether `list`, names separated by commas, has `need`. Throws std::invalid_argument for a name
/// that is not one of kNeeds: it would require nothing.
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

/// Skips the running test; the caller returns: `if (missing) return skip_without("netns", why);`.
/// Fails it instead if CARDSWAP_REQUIRE has the need.
inline void skip_without(Need need, const std::string& why) {
  const char* list = std::getenv("CARDSWAP_REQUIRE");
  if (is_required(list == nullptr ? "" : list, need)) {
    FAIL() << "this machine must have '" << need.word() << "': " << why;
  }
  GTEST_SKIP() << "needs " << need.word() << ": " << why;
}

/// A need of a test that is not met, and why.
struct Lack {
  Need need;
  std::string why;
};
inline void skip_without(const Lack& lack) { skip_without(lack.need, lack.why); }

}  // namespace cardswap::test
