#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "migrator/core/byte_shuffle.h"

namespace cardswap {

/// How a payload's bytes are packed on the wire. `shuffled`: by bytes, and not packed
/// after all.
enum class Codec : std::uint8_t { none, lz4, zstd, shuffled };
[[nodiscard]] std::string_view to_string(Codec codec);
constexpr Codec last_of(Codec) { return Codec::shuffled; }

/// What a migration may use; automatic: what shortens it on the link as measured, or nothing.
enum class Compression : std::uint8_t { automatic, off, lz4, zstd };
/// "auto", "off", "lz4", "zstd".
[[nodiscard]] std::string_view to_string(Compression compression);
constexpr Compression last_of(Compression) { return Compression::zstd; }

/// Bytes of one element of a tensor by its dtype's name ("Float", "BFloat16"); 1 if unknown.
[[nodiscard]] std::uint8_t element_bytes(std::string_view dtype);

/// Lossless packing of tensors: the byte shuffle (byte_shuffle.h), then LZ4 or zstd's fastest
/// level. Keeps its buffers and contexts; one thread.
class Packer {
 public:
  Packer();
  ~Packer();
  Packer(const Packer&) = delete;
  Packer& operator=(const Packer&) = delete;

  /// `shuffle`: what `bytes` are; they are shuffled on the way where that is not done.
  [[nodiscard]] std::vector<std::byte> pack(Codec codec, std::span<const std::byte> bytes,
                                            ByteShuffle shuffle);
  /// Fills `out` exactly; throws Error{bad_request} on bytes that pack() did not make of as many.
  /// `shuffle`: what `out` is to be; where done, it stays shuffled.
  void unpack(Codec codec, std::span<const std::byte> packed, std::span<std::byte> out,
              ByteShuffle shuffle);

 private:
  struct Contexts;
  std::unique_ptr<Contexts> contexts_;
  std::vector<std::byte> shuffled_;
};

}  // namespace cardswap
