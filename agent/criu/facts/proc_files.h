#pragma once

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <system_error>

/// Entries of /proc, which may be gone at any moment: what is gone is empty.
namespace cardswap::criu {

[[nodiscard]] inline std::string text_of(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}
/// What the link leads to, as the kernel spells it.
[[nodiscard]] inline std::string link_of(const std::filesystem::path& link) {
  std::error_code gone;
  return std::filesystem::read_symlink(link, gone).string();
}

}  // namespace cardswap::criu
