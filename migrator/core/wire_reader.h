#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>

#include "migrator/base/error.h"
#include "migrator/core/digest.h"

namespace cardswap::wire {

/// Reads the bytes of a peer and trusts none of them. Integers are little-endian and of fixed
/// width; counts are checked against the bytes that are there before anything is allocated. Every
/// call throws Error{bad_request} past the end. Does not own the bytes: views are valid as long as
/// they are.
class WireReader {
 public:
  explicit WireReader(std::span<const std::byte> bytes) : rest_(bytes) {}

  [[nodiscard]] std::uint8_t u8() { return integer<std::uint8_t>(); }
  [[nodiscard]] std::uint16_t u16() { return integer<std::uint16_t>(); }
  [[nodiscard]] std::uint32_t u32() { return integer<std::uint32_t>(); }
  [[nodiscard]] std::uint64_t u64() { return integer<std::uint64_t>(); }
  [[nodiscard]] std::int64_t i64() { return static_cast<std::int64_t>(u64()); }
  /// A time of a monotonic clock, or a duration, in ns. Throws for 31 years and more, so that a few
  /// of them can be added without overflow.
  [[nodiscard]] std::int64_t time_ns() {
    constexpr std::int64_t kTimeMax = 1'000'000'000'000'000'000;  // 31 years
    const auto value = i64();
    if (value <= -kTimeMax || value >= kTimeMax) throw Error(Code::bad_request, "a time is absurd");
    return value;
  }
  /// A finite number below 1e18. Throws for any other: later computations rely on both.
  [[nodiscard]] double f64() {
    const auto value = any_f64();
    if (!(std::abs(value) < 1e18)) {
      throw Error(Code::bad_request, "a number is not finite, or absurdly large");
    }
    return value;
  }
  /// Any number, NaN and infinities included: a value of a program's own state.
  [[nodiscard]] double any_f64() {
    const auto bits = u64();
    double value = 0;
    std::memcpy(&value, &bits, sizeof(value));
    return value;
  }
  [[nodiscard]] bool boolean() {
    const auto value = u8();
    if (value > 1) throw Error(Code::bad_request, "a boolean field is neither 0 nor 1");
    return value == 1;
  }
  [[nodiscard]] Digest digest() {
    Digest result;
    const auto raw = take(result.bytes.size());
    std::memcpy(result.bytes.data(), raw.data(), raw.size());
    return result;
  }
  /// A u32 length, and that many bytes. Throws when the length is above `bytes_max`, as blob()
  /// does.
  [[nodiscard]] std::string string(std::size_t bytes_max = 1 << 20) {
    const auto raw = blob(bytes_max);
    return {reinterpret_cast<const char*>(raw.data()), raw.size()};
  }
  /// A u32 length and that many bytes, as a view into the bytes this reader was given.
  [[nodiscard]] std::span<const std::byte> blob(std::size_t bytes_max) {
    const auto size = u32();
    if (size > bytes_max) throw Error(Code::bad_request, "a field is longer than allowed");
    return take(size);
  }
  /// A u32 count of items of at least `item_bytes_min` bytes each (1 or more). Throws when the rest
  /// of the message is too short for them.
  [[nodiscard]] std::uint32_t count(std::size_t item_bytes_min) {
    const auto items = u32();
    if (items > rest_.size() / item_bytes_min) {
      throw Error(Code::bad_request, "a count promises more items than the message holds");
    }
    return items;
  }
  [[nodiscard]] std::span<const std::byte> take(std::size_t size) {
    if (size > rest_.size()) throw Error(Code::bad_request, "the message ends too early");
    const auto taken = rest_.first(size);
    rest_ = rest_.subspan(size);
    return taken;
  }
  /// Whether all bytes were read: an older release writes no more fields than that.
  [[nodiscard]] bool is_at_end() const { return rest_.empty(); }
  /// Throws Error{bad_request} for trailing bytes. The last call for every message.
  void finish() const {
    if (!rest_.empty()) throw Error(Code::bad_request, "the message has trailing bytes");
  }

 private:
  template <class Integer>
  Integer integer() {
    const auto raw = take(sizeof(Integer));
    Integer value = 0;
    for (std::size_t i = 0; i < sizeof(Integer); ++i) {
      value = static_cast<Integer>(value | (static_cast<Integer>(raw[i]) << (8 * i)));
    }
    return value;
  }

  std::span<const std::byte> rest_;
};

}  // namespace cardswap::wire
