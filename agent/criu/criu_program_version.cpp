#include <fmt/format.h>

#include <charconv>

#include "agent/criu/criu_program.h"

namespace cardswap::criu {
namespace {

constexpr int kMajorMin = 4;
constexpr int kMinorMin = 1;
constexpr int kMinorOfSockets = 2;  // it asks for SO_PASSCRED where the kernel has it only

bool is_at_least(std::string_view version, int wanted_major, int wanted_minor) {
  int major = 0;
  int minor = 0;
  const auto* end = version.data() + version.size();
  const auto first = std::from_chars(version.data(), end, major);
  if (first.ec != std::errc{}) return false;
  if (first.ptr != end && *first.ptr == '.') (void)std::from_chars(first.ptr + 1, end, minor);
  return major > wanted_major || (major == wanted_major && minor >= wanted_minor);
}

}  // namespace

std::string version_in(std::string_view text) {
  const auto at = text.find("Version: ");
  if (at == std::string_view::npos) return {};
  text.remove_prefix(at + 9);
  return std::string(text.substr(0, text.find_first_not_of("0123456789.")));
}

bool is_new_enough(std::string_view version) { return is_at_least(version, kMajorMin, kMinorMin); }

std::string network_fault(std::string_view version, bool untold) {
  if (!untold || is_at_least(version, kMajorMin, kMinorOfSockets)) return {};
  return fmt::format(
      "CRIU {} cannot read network sockets on this kernel, be they connected or not "
      "(\"Can't get 1:16 opt\"): close it, or give the agent CRIU 4.2 or newer",
      version);
}

}  // namespace cardswap::criu
