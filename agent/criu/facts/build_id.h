#pragma once

#include <cstddef>
#include <filesystem>
#include <span>
#include <string>

namespace cardswap::criu {

/// How many bytes of a file are searched.
inline constexpr std::size_t kBuildIdWithin = 16U << 10;

/// The build id, in hexadecimal, in the first bytes of an ELF file; empty where they have none. Two
/// files with one build id are the same build. Pure.
[[nodiscard]] std::string build_id_in(std::span<const std::byte> beginning);
/// The build id of a file; empty where it has none or cannot be read. May block as a file system
/// does.
[[nodiscard]] std::string build_id_of(const std::filesystem::path& file);

}  // namespace cardswap::criu
