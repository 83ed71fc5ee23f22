#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "migrator/base/error.h"

namespace cardswap::fuzz {

/// Well-formed inputs of this program's parser, which changes start from. Each fuzz target has one.
[[nodiscard]] std::vector<std::vector<std::byte>> seeds();

[[nodiscard]] std::vector<std::byte> bytes_of(const std::string& text);
[[nodiscard]] std::span<const std::byte> view(const std::uint8_t* data, std::size_t size);
[[nodiscard]] std::string text(const std::uint8_t* data, std::size_t size);

/// Runs `parse`; an Error is the answer that noise is to get, anything else ends the program.
template <class Parse>
void expect_error_or_nothing(Parse parse) {
  try {
    parse();
  } catch (const Error&) {
    // refused, as it should be
  }
}

}  // namespace cardswap::fuzz

/// libFuzzer's entry point.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);
