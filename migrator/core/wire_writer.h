#pragma once

#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>
#include <vector>

#include "migrator/base/error.h"
#include "migrator/core/digest.h"

namespace cardswap::wire {

/// Writes what WireReader reads. Owns the bytes. string() and blob() throw Error{bad_request} for
/// 4 GiB and more.
class WireWriter {
 public:
  WireWriter& u8(std::uint8_t value) { return integer(value); }
  WireWriter& u16(std::uint16_t value) { return integer(value); }
  WireWriter& u32(std::uint32_t value) { return integer(value); }
  WireWriter& u64(std::uint64_t value) { return integer(value); }
  WireWriter& i64(std::int64_t value) { return integer(static_cast<std::uint64_t>(value)); }
  WireWriter& f64(double value) {
    std::uint64_t bits = 0;
    std::memcpy(&bits, &value, sizeof(bits));
    return integer(bits);
  }
  WireWriter& boolean(bool value) { return u8(value ? 1 : 0); }
  WireWriter& digest(const Digest& value) { return raw(std::as_bytes(std::span(value.bytes))); }
  WireWriter& string(std::string_view value) { return blob(std::as_bytes(std::span(value))); }
  WireWriter& blob(std::span<const std::byte> value) {
    if (value.size() > UINT32_MAX) throw Error(Code::bad_request, "a field is over 4 GiB long");
    return u32(static_cast<std::uint32_t>(value.size())).raw(value);
  }
  WireWriter& raw(std::span<const std::byte> value) {
    bytes_.insert(bytes_.end(), value.begin(), value.end());
    return *this;
  }

  [[nodiscard]] std::span<const std::byte> bytes() const { return bytes_; }
  [[nodiscard]] std::vector<std::byte> take() && { return std::move(bytes_); }

 private:
  template <class Integer>
  WireWriter& integer(Integer value) {
    for (std::size_t i = 0; i < sizeof(Integer); ++i) {
      bytes_.push_back(static_cast<std::byte>(value >> (8 * i)));
    }
    return *this;
  }

  std::vector<std::byte> bytes_;
};

}  // namespace cardswap::wire
