#pragma once

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <system_error>

/// Reads entries of /proc, which may be gone at any moment: then the result is empty.
namespace cardswap::criu {

/// The content of a file.
[[nodiscard]] inline std::string text_of(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}
/// The target of a link, as the kernel writes it.
[[nodiscard]] inline std::string link_of(const std::filesystem::path& link) {
  std::error_code gone;
  return std::filesystem::read_symlink(link, gone).string();
}

}  // namespace cardswap::criu
