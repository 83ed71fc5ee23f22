#include "migrator/base/free_memory.h"

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <limits>
#include <string>

namespace cardswap {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kKiB = 1024;

/// The number at the beginning of `text`, behind blanks.
std::optional<std::uint64_t> number_in(std::string_view text) {
  text.remove_prefix(std::min(text.find_first_not_of(" \t"), text.size()));
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end == text.data()) return std::nullopt;
  return value;
}

/// The number in the line that begins with `name`.
std::optional<std::uint64_t> number_of(std::string_view text, std::string_view name) {
  while (!text.empty()) {
    const auto line = text.substr(0, text.find('\n'));
    if (line.starts_with(name)) return number_in(line.substr(name.size()));
    text.remove_prefix(std::min(line.size() + 1, text.size()));
  }
  return std::nullopt;
}

std::string text_of(const fs::path& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

/// This process's cgroup of version 2, below its mount; empty: it has none.
std::string own_cgroup() {
  const auto all = text_of("/proc/self/cgroup");
  const auto at = all.starts_with("0::") ? 0 : all.find("\n0::");
  if (at == std::string::npos) return {};
  const auto begin = all.find("::", at) + 2;
  return all.substr(begin, all.find('\n', begin) - begin);
}

}  // namespace

std::optional<std::uint64_t> available_memory_in(std::string_view meminfo) {
  const auto kib = number_of(meminfo, "MemAvailable:");
  if (!kib || *kib > std::numeric_limits<std::uint64_t>::max() / kKiB) return std::nullopt;
  return *kib * kKiB;
}

std::optional<std::uint64_t> memory_left_in_cgroup(std::string_view max, std::string_view current,
                                                   std::string_view stat) {
  const auto most = number_in(max);  // "max": none
  const auto used = number_in(current);
  if (!most || !used) return std::nullopt;
  const auto cached = std::min(number_of(stat, "inactive_file ").value_or(0), *used);
  const auto taken = *used - cached;
  return *most > taken ? *most - taken : 0;
}

std::uint64_t free_memory() {
  auto left = available_memory_in(text_of("/proc/meminfo"));
  if (!left) return 0;
  const fs::path mount = "/sys/fs/cgroup";
  auto own = own_cgroup();
  if (own.empty()) return *left;
  for (auto at = mount / fs::path(own).relative_path(); at.string().size() > mount.string().size();
       at = at.parent_path()) {
    const auto here = memory_left_in_cgroup(
        text_of(at / "memory.max"), text_of(at / "memory.current"), text_of(at / "memory.stat"));
    if (here) *left = std::min(*left, *here);
  }
  return *left;
}

}  // namespace cardswap
