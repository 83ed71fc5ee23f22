#include <charconv>

#include "agent/criu/tool.h"

namespace cardswap::criu {
namespace {

constexpr int kMajorLeast = 4;
constexpr int kMinorLeast = 1;

}  // namespace

std::string version_in(std::string_view text) {
  const auto at = text.find("Version: ");
  if (at == std::string_view::npos) return {};
  text.remove_prefix(at + 9);
  return std::string(text.substr(0, text.find_first_not_of("0123456789.")));
}

bool is_new_enough(std::string_view version) {
  int major = 0;
  int minor = 0;
  const auto* end = version.data() + version.size();
  const auto first = std::from_chars(version.data(), end, major);
  if (first.ec != std::errc{}) return false;
  if (first.ptr != end && *first.ptr == '.') (void)std::from_chars(first.ptr + 1, end, minor);
  return major > kMajorLeast || (major == kMajorLeast && minor >= kMinorLeast);
}

}  // namespace cardswap::criu
