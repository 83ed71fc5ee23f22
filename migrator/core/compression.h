#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "migrator/core/byte_shuffle.h"

namespace cardswap {

/// How a payload's bytes are compressed on the wire. `shuffled`: byte-shuffled (byte_shuffle.h) and
/// not compressed.
enum class Codec : std::uint8_t { none, lz4, zstd, shuffled };
[[nodiscard]] std::string_view to_string(Codec codec);
constexpr Codec last_of(Codec) { return Codec::shuffled; }

/// The compression that a migration may use. `automatic`: the codec that makes it shorter on the
/// measured link, or no codec.
enum class Compression : std::uint8_t { automatic, off, lz4, zstd };
/// "auto", "off", "lz4", "zstd".
[[nodiscard]] std::string_view to_string(Compression compression);
constexpr Compression last_of(Compression) { return Compression::zstd; }

/// Bytes of one element of a tensor, by the name of its dtype ("Float", "BFloat16"); 1 for a name
/// that is not known here.
[[nodiscard]] std::uint8_t element_bytes(std::string_view dtype);

/// Lossless compression of tensors: the byte shuffle (byte_shuffle.h), then LZ4 or zstd level 1.
/// Keeps its buffers and contexts; one thread.
class Compressor {
 public:
  /// Throws Error{no_memory}.
  Compressor();
  ~Compressor();
  Compressor(const Compressor&) = delete;
  Compressor& operator=(const Compressor&) = delete;

  /// Compresses `bytes`, less than 2 GiB. `codec` is lz4 or zstd; the other two have nothing to
  /// compress. `shuffle` describes `bytes`: they are shuffled first unless that is done already.
  /// Throws Error{internal} when the codec fails.
  [[nodiscard]] std::vector<std::byte> compress(Codec codec, std::span<const std::byte> bytes,
                                                ByteShuffle shuffle);
  /// Fills all of `out`, less than 2 GiB. `codec` is any but `none`. `shuffle` describes what `out`
  /// is to hold: if `done` it is left shuffled. Throws Error{bad_request} for another codec, for an
  /// element size of 0 or above 16, and if `compressed` does not decompress to exactly as many
  /// bytes.
  void decompress(Codec codec, std::span<const std::byte> compressed, std::span<std::byte> out,
                  ByteShuffle shuffle);

 private:
  struct Contexts;
  std::unique_ptr<Contexts> contexts_;
  std::vector<std::byte> shuffled_;
};

}  // namespace cardswap
