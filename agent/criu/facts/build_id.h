#pragma once

#include <cstddef>
#include <filesystem>
#include <span>
#include <string>

namespace cardswap::criu {

/// How much of a file's beginning is looked at.
inline constexpr std::size_t kBuildIdWithin = 16U << 10;

/// The build id of an ELF file whose beginning this is, in hexadecimal; empty where it has none or
/// it lies further behind. Two files with one build id are one build. Pure.
[[nodiscard]] std::string build_id_in(std::span<const std::byte> beginning);
[[nodiscard]] std::string build_id_of(const std::filesystem::path& file);

}  // namespace cardswap::criu
