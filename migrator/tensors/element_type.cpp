#include "migrator/tensors/element_type.h"

#include <array>
#include <bit>
#include <cmath>
#include <cstring>

namespace cardswap::tensors {
namespace {

/// What is known of a type.
struct TypeFacts {
  ElementType type;
  std::size_t bytes;
  std::string_view code;
};

constexpr std::array kTypes{
    TypeFacts{ElementType::f64, 8, "F64"},         TypeFacts{ElementType::f32, 4, "F32"},
    TypeFacts{ElementType::f16, 2, "F16"},         TypeFacts{ElementType::bf16, 2, "BF16"},
    TypeFacts{ElementType::i64, 8, "I64"},         TypeFacts{ElementType::i32, 4, "I32"},
    TypeFacts{ElementType::i16, 2, "I16"},         TypeFacts{ElementType::i8, 1, "I8"},
    TypeFacts{ElementType::u64, 8, "U64"},         TypeFacts{ElementType::u32, 4, "U32"},
    TypeFacts{ElementType::u16, 2, "U16"},         TypeFacts{ElementType::u8, 1, "U8"},
    TypeFacts{ElementType::boolean, 1, "BOOL"},    TypeFacts{ElementType::f8_e4m3, 1, "F8_E4M3"},
    TypeFacts{ElementType::f8_e5m2, 1, "F8_E5M2"}, TypeFacts{ElementType::raw, 1, "U8"},
};

constexpr const TypeFacts& facts_of(ElementType type) {
  return kTypes[static_cast<std::size_t>(type)];
}

consteval bool are_in_order() {
  for (std::size_t i = 0; i < kTypes.size(); ++i) {
    if (static_cast<std::size_t>(kTypes[i].type) != i) return false;
  }
  return true;
}
static_assert(are_in_order(), "a type is the index of its facts");

/// A dtype's name as a layout has it.
struct DtypeName {
  std::string_view name;
  ElementType type;
};

constexpr std::array kNames{
    DtypeName{"Double", ElementType::f64},
    DtypeName{"Float", ElementType::f32},
    DtypeName{"Half", ElementType::f16},
    DtypeName{"BFloat16", ElementType::bf16},
    DtypeName{"Long", ElementType::i64},
    DtypeName{"Int", ElementType::i32},
    DtypeName{"Short", ElementType::i16},
    DtypeName{"Char", ElementType::i8},
    DtypeName{"UInt64", ElementType::u64},
    DtypeName{"UInt32", ElementType::u32},
    DtypeName{"UInt16", ElementType::u16},
    DtypeName{"Byte", ElementType::u8},
    DtypeName{"bytes", ElementType::u8},
    DtypeName{"Bool", ElementType::boolean},
    DtypeName{"Float8_e4m3fn", ElementType::f8_e4m3},
    DtypeName{"Float8_e5m2", ElementType::f8_e5m2},
};

/// A bit pattern of IEEE's binary16 as a number.
double half_of(std::uint16_t bits) {
  const int exponent = (bits >> 10U) & 0x1f;
  const double fraction = bits & 0x3ffU;
  double value = 0;
  if (exponent == 0) {
    value = std::ldexp(fraction, -24);
  } else if (exponent == 0x1f) {
    value = fraction == 0 ? HUGE_VAL : std::nan("");
  } else {
    value = std::ldexp(fraction + 1024, exponent - 25);
  }
  return (bits & 0x8000U) != 0 ? -value : value;
}

double bfloat_of(std::uint16_t bits) {
  return static_cast<double>(std::bit_cast<float>(static_cast<std::uint32_t>(bits) << 16U));
}

template <class Stored, class ToNumber>
void read_each(std::span<const std::byte> bytes, std::span<double> out, ToNumber to_number) {
  for (std::size_t i = 0; i < out.size(); ++i) {
    Stored value{};
    std::memcpy(&value, bytes.data() + i * sizeof(Stored), sizeof(Stored));
    out[i] = to_number(value);
  }
}

template <class Stored>
void read_plain(std::span<const std::byte> bytes, std::span<double> out) {
  read_each<Stored>(bytes, out, [](Stored value) { return static_cast<double>(value); });
}

}  // namespace

ElementType element_type(std::string_view dtype) {
  for (const auto& known : kNames) {
    if (known.name == dtype) return known.type;
  }
  return ElementType::raw;
}

std::size_t bytes_of(ElementType type) { return facts_of(type).bytes; }

std::string_view safetensors_code(ElementType type) { return facts_of(type).code; }

bool is_number(ElementType type) {
  return type != ElementType::f8_e4m3 && type != ElementType::f8_e5m2 && type != ElementType::raw;
}

void numbers_of(ElementType type, std::span<const std::byte> bytes, std::span<double> out) {
  switch (type) {
    case ElementType::f64: return read_plain<double>(bytes, out);
    case ElementType::f32: return read_plain<float>(bytes, out);
    case ElementType::f16: return read_each<std::uint16_t>(bytes, out, half_of);
    case ElementType::bf16: return read_each<std::uint16_t>(bytes, out, bfloat_of);
    case ElementType::i64: return read_plain<std::int64_t>(bytes, out);
    case ElementType::i32: return read_plain<std::int32_t>(bytes, out);
    case ElementType::i16: return read_plain<std::int16_t>(bytes, out);
    case ElementType::i8: return read_plain<std::int8_t>(bytes, out);
    case ElementType::u64: return read_plain<std::uint64_t>(bytes, out);
    case ElementType::u32: return read_plain<std::uint32_t>(bytes, out);
    case ElementType::u16: return read_plain<std::uint16_t>(bytes, out);
    case ElementType::u8:
    case ElementType::boolean: return read_plain<std::uint8_t>(bytes, out);
    case ElementType::f8_e4m3:
    case ElementType::f8_e5m2:
    case ElementType::raw: break;
  }
}

}  // namespace cardswap::tensors
