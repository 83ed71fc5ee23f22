#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace cardswap::tensors {

/// The type of a tensor's elements. `raw`: bytes of a dtype that is not known here, or whose
/// elements are no single numbers, such as complex ones.
enum class ElementType : std::uint8_t {
  f64,
  f32,
  f16,
  bf16,
  i64,
  i32,
  i16,
  i8,
  u64,
  u32,
  u16,
  u8,
  boolean,
  f8_e4m3,
  f8_e5m2,
  raw,
};

/// The type of a dtype by LibTorch's name: "Float", "BFloat16", "Long". "bytes" is u8.
[[nodiscard]] ElementType element_type(std::string_view dtype);
/// Bytes of one element; 1 for `raw`.
[[nodiscard]] std::size_t bytes_of(ElementType type);
/// The name of the type in safetensors files: "F32", "BF16"; `raw` is "U8".
[[nodiscard]] std::string_view safetensors_code(ElementType type);
/// Whether numbers_of() can read the elements. The 8-bit floats and `raw` it cannot.
[[nodiscard]] bool is_number(ElementType type);

/// Fills `out` with the elements in `bytes`, which has bytes_of() bytes for each. Whole numbers
/// beyond 2^53 are rounded. `type` must be one for which is_number().
void numbers_of(ElementType type, std::span<const std::byte> bytes, std::span<double> out);

}  // namespace cardswap::tensors
